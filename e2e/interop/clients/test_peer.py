"""Another maker's server as a node: its model <peer>_identity through the gateway, with every form of question."""

import json
import os
import unittest
import urllib.request

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

from values import GRPC, HTTP, same_bits

PEER = os.environ["PEER"].split()[0]
MODEL = PEER + "_identity"
VALUES = np.array([[1.5, -0.0, 1 / 3, 16777216]], dtype=np.float32)


def question(client, **how):
    tensor = client.InferInput("IN", VALUES.shape, "FP32")
    tensor.set_data_from_numpy(VALUES, **how)
    return [tensor]


class HTTPQuestions(unittest.TestCase):
    def setUp(self):
        self.client = http.InferenceServerClient(HTTP)
        self.addCleanup(self.client.close)

    def test_json_and_binary(self):
        for there in (True, False):
            for back in (True, False):
                with self.subTest(binary_there=there, binary_back=back):
                    outputs = [http.InferRequestedOutput("OUT", binary_data=back)]
                    result = self.client.infer(MODEL, question(http, binary_data=there), outputs=outputs, request_id="abc")
                    self.assertTrue(same_bits(VALUES, result.as_numpy("OUT")), result.as_numpy("OUT"))
                    self.assertEqual("abc", result.get_response()["id"])

    def test_json_without_a_content_type(self):
        # As curl -d sends it: a form. MLServer reads nothing but application/json.
        body = {"inputs": [{"name": "IN", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}
        request = urllib.request.Request(f"http://{HTTP}/v2/models/{MODEL}/infer", data=json.dumps(body).encode())
        with urllib.request.urlopen(request) as answer:
            self.assertEqual([1, 2], json.load(answer)["outputs"][0]["data"])

    def test_metadata_and_ready(self):
        self.assertTrue(self.client.is_model_ready(MODEL))
        metadata = self.client.get_model_metadata(MODEL)
        self.assertEqual((MODEL, "IN"), (metadata["name"], metadata["inputs"][0]["name"]))

    def test_error(self):
        tensor = http.InferInput("IN", [1, 2], "FP32")
        tensor.set_data_from_numpy(np.zeros([1, 2], dtype=np.float32))
        with self.assertRaises(InferenceServerException) as caught:
            self.client.infer(MODEL, [tensor], model_version="77")
        self.assertTrue(caught.exception.message())


class GRPCQuestions(unittest.TestCase):
    def setUp(self):
        self.client = grpc.InferenceServerClient(GRPC)
        self.addCleanup(self.client.close)

    def test_infer(self):
        result = self.client.infer(MODEL, question(grpc), request_id="abc")
        self.assertTrue(same_bits(VALUES, result.as_numpy("OUT")))
        self.assertEqual("abc", result.get_response().id)

    def test_metadata_and_ready(self):
        self.assertTrue(self.client.is_model_ready(MODEL))
        self.assertEqual("IN", self.client.get_model_metadata(MODEL).inputs[0].name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
