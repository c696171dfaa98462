"""tritonclient over HTTP, as users install it: the threaded client and the asyncio one."""

import asyncio
import json
import unittest
from http.client import HTTPConnection

import numpy as np
import tritonclient.http as http
import tritonclient.http.aio as aio
from tritonclient.utils import InferenceServerException

from values import BINARY_ONLY, DATATYPES, HTTP, JSON_DATATYPES, edges, same_bits, with_specials


def question(datatype, values, binary):
    tensor = http.InferInput("IN", values.shape, datatype)
    tensor.set_data_from_numpy(values, binary_data=binary)
    return [tensor]


class WithClient(unittest.TestCase):
    def setUp(self):
        self.client = http.InferenceServerClient(HTTP, concurrency=4)
        self.addCleanup(self.client.close)

    def refused(self, status, text, call):
        with self.assertRaises(InferenceServerException) as caught:
            call()
        self.assertIn(text, caught.exception.message())
        self.assertEqual(str(status), str(caught.exception.status()))


class Infer(WithClient):
    def test_binary_there_and_back(self):
        for datatype in DATATYPES:
            with self.subTest(datatype):
                values = with_specials(datatype)
                result = self.client.infer("identity_" + datatype, question(datatype, values, True))
                self.assertTrue(same_bits(values, result.as_numpy("OUT")), result.as_numpy("OUT"))

    def test_json_there_and_back(self):
        for datatype in JSON_DATATYPES:
            with self.subTest(datatype):
                values = edges(datatype)
                outputs = [http.InferRequestedOutput("OUT", binary_data=False)]
                result = self.client.infer("identity_" + datatype, question(datatype, values, False), outputs=outputs)
                self.assertTrue(same_bits(values, result.as_numpy("OUT")), result.as_numpy("OUT"))

    def test_json_there_binary_back_and_the_reverse(self):
        for there in (True, False):
            outputs = [http.InferRequestedOutput("OUT", binary_data=not there)]
            values = edges("FP32")
            result = self.client.infer("identity_FP32", question("FP32", values, there), outputs=outputs)
            self.assertTrue(same_bits(values, result.as_numpy("OUT")))

    def test_sixteen_bit_floats_have_no_json(self):
        for datatype in BINARY_ONLY:
            outputs = [http.InferRequestedOutput("OUT", binary_data=False)]
            call = lambda: self.client.infer("identity_" + datatype, question(datatype, edges(datatype), True), outputs=outputs)
            with self.subTest(datatype):
                self.refused(400, datatype, call)

    def test_empty_tensor(self):
        values = np.zeros([1, 0], dtype=np.float32)
        result = self.client.infer("identity_FP32", question("FP32", values, True))
        self.assertEqual((1, 0), result.as_numpy("OUT").shape)

    def test_id_is_echoed(self):
        result = self.client.infer("identity_INT32", question("INT32", edges("INT32"), True), request_id='a "b" \u00fc')
        self.assertEqual('a "b" \u00fc', result.get_response()["id"])
        self.assertNotIn("id", self.client.infer("identity_INT32", question("INT32", edges("INT32"), True)).get_response())

    def test_answer_names_model_and_version(self):
        answer = self.client.infer("identity_INT32", question("INT32", edges("INT32"), True), model_version="1").get_response()
        self.assertEqual(("identity_INT32", "1"), (answer["model_name"], answer["model_version"]))

    def test_json_outputs_carry_no_parameters(self):
        # perf_analyzer takes an output with parameters but without binary_data_size for an error.
        outputs = [http.InferRequestedOutput("OUT", binary_data=False)]
        answer = self.client.infer("identity_INT32", question("INT32", edges("INT32"), False), outputs=outputs).get_response()
        self.assertNotIn("parameters", answer["outputs"][0])

    def test_compression(self):
        values = np.tile(edges("FP32"), (1, 500))
        for there in (None, "gzip", "deflate"):
            for back in (None, "gzip", "deflate"):
                with self.subTest(there=there, back=back):
                    result = self.client.infer(
                        "identity_FP32", question("FP32", values, True),
                        request_compression_algorithm=there, response_compression_algorithm=back)
                    self.assertTrue(same_bits(values, result.as_numpy("OUT")))

    def test_priority_timeout_and_custom_parameters(self):
        result = self.client.infer(
            "identity_INT32", question("INT32", edges("INT32"), True), priority=0, timeout=5_000_000,
            parameters={"text": "x", "number": 3, "flag": True})
        self.assertTrue(same_bits(edges("INT32"), result.as_numpy("OUT")))

    def test_async_infer(self):
        pending = [self.client.async_infer("identity_INT32", question("INT32", edges("INT32") - i, True)) for i in range(20)]
        for i, p in enumerate(pending):
            self.assertTrue(same_bits(edges("INT32") - i, p.get_result().as_numpy("OUT")))

    def test_large_tensor(self):
        values = np.arange(1_500_000, dtype=np.float32).reshape(1, -1)
        result = self.client.infer("identity_FP32", question("FP32", values, True))
        self.assertTrue(same_bits(values, result.as_numpy("OUT")))

    def test_classification(self):
        values = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]], dtype=np.float32)
        outputs = [http.InferRequestedOutput("OUT", class_count=2)]
        top = self.client.infer("identity_FP32", question("FP32", values, True), outputs=outputs).as_numpy("OUT")
        self.assertEqual((2, 2), top.shape)
        found = [[c.decode().split(":") for c in row] for row in top]
        self.assertEqual([["1", "2"], ["0", "2"]], [[c[1] for c in row] for row in found])
        self.assertAlmostEqual(0.7, float(found[0][0][0]), 5)


class OtherForms(unittest.TestCase):
    """What curl and other HTTP clients send."""

    def ask(self, path, body, method="POST", **headers):
        connection = HTTPConnection(HTTP)
        self.addCleanup(connection.close)
        connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    BODY = json.dumps({"inputs": [{"name": "IN", "shape": [1, 2], "datatype": "FP32", "data": [[1.5, 2.5]]}]})

    def test_query_method(self):
        status, _, body = self.ask("/v2/models/identity_FP32/infer", self.BODY, "QUERY", Content_Type="application/json")
        self.assertEqual((200, [1.5, 2.5]), (status, json.loads(body)["outputs"][0]["data"]))

    def test_raw_binary_request(self):
        values = np.array([1.5, 2.5], dtype=np.float32)
        status, headers, body = self.ask("/v2/models/raw/infer", values.tobytes(), Inference_Header_Content_Length="0")
        self.assertEqual(200, status, body)
        json_part = int(headers["Inference-Header-Content-Length"])
        self.assertEqual(values.tobytes(), body[json_part:])

    def test_wrong_path_and_wrong_verb(self):
        status, _, body = self.ask("/v2/nothing", "")
        self.assertEqual(404, status)
        self.assertIn("Not Found", json.loads(body)["error"])
        status, _, body = self.ask("/v2/models/identity_FP32/infer", None, "GET")
        self.assertEqual(405, status)
        self.assertIn("Method Not Allowed", json.loads(body)["error"])

    def test_unknown_compression(self):
        status, headers, body = self.ask("/v2/models/identity_FP32/infer", self.BODY, Content_Encoding="zstd")
        self.assertEqual((501, "gzip, deflate"), (status, headers["Accept-Encoding"]))
        self.assertIn("Unsupported compression type", json.loads(body)["error"])

    def test_header_length_out_of_range(self):
        status, _, body = self.ask("/v2/models/identity_FP32/infer", self.BODY, Inference_Header_Content_Length="100000")
        self.assertEqual(400, status)
        self.assertIn("inference header size should be in range (0, %d)" % len(self.BODY), json.loads(body)["error"])

    def test_blobs_too_short_and_too_long(self):
        head = json.dumps({"inputs": [{"name": "IN", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}]})
        for blob, text in ((b"1234", "unexpected size for input 'IN', expecting 4 additional bytes for model 'identity_FP32'"),
                           (b"123456789", "unexpected additional input data for model 'identity_FP32'")):
            status, _, body = self.ask("/v2/models/identity_FP32/infer", head.encode() + blob, Inference_Header_Content_Length=str(len(head)))
            self.assertEqual(400, status)
            self.assertIn(text, json.loads(body)["error"])


class Errors(WithClient):
    def test_unknown_model(self):
        self.refused(404, "Request for unknown model: 'nobody' is not found", lambda: self.client.infer("nobody", question("INT32", edges("INT32"), True)))

    def test_unknown_version(self):
        self.refused(404, "Request for unknown model: 'identity_INT32' version 9 is not found", lambda: self.client.infer("identity_INT32", question("INT32", edges("INT32"), True), model_version="9"))

    def test_wrong_datatype(self):
        self.refused(400, "IN", lambda: self.client.infer("identity_INT32", question("FP32", edges("FP32"), True)))

    def test_wrong_input_name(self):
        tensor = http.InferInput("OTHER", [1, 1], "INT32")
        tensor.set_data_from_numpy(np.zeros([1, 1], dtype=np.int32))
        self.refused(400, "OTHER", lambda: self.client.infer("identity_INT32", [tensor]))

    def test_wrong_rank(self):
        self.refused(400, "IN", lambda: self.client.infer("identity_INT32", question("INT32", np.zeros([1], dtype=np.int32), True)))

    def test_unknown_output(self):
        outputs = [http.InferRequestedOutput("NONE")]
        self.refused(400, "NONE", lambda: self.client.infer("identity_INT32", question("INT32", edges("INT32"), True), outputs=outputs))


class Admin(WithClient):
    def test_health(self):
        self.assertTrue(self.client.is_server_live())
        self.assertTrue(self.client.is_server_ready())
        self.assertTrue(self.client.is_model_ready("identity_FP32"))
        self.assertTrue(self.client.is_model_ready("identity_FP32", "1"))
        self.assertFalse(self.client.is_model_ready("nobody"))

    def test_server_metadata(self):
        extensions = self.client.get_server_metadata()["extensions"]
        for wanted in ("classification", "model_repository", "model_configuration", "binary_tensor_data", "parameters", "statistics"):
            self.assertIn(wanted, extensions)

    def test_model_metadata(self):
        metadata = self.client.get_model_metadata("identity_BYTES")
        self.assertEqual(("identity_BYTES", ["1"]), (metadata["name"], metadata["versions"]))
        self.assertEqual([{"name": "IN", "datatype": "BYTES", "shape": [-1, -1]}], metadata["inputs"])
        self.assertEqual([{"name": "OUT", "datatype": "BYTES", "shape": [-1, -1]}], metadata["outputs"])

    def test_model_config(self):
        config = self.client.get_model_config("identity_FP32")
        self.assertEqual("identity_FP32", config["name"])
        self.assertGreater(config["max_batch_size"], 0)
        self.assertEqual(("IN", "TYPE_FP32"), (config["input"][0]["name"], config["input"][0]["data_type"]))
        self.assertIn("dynamic_batching", config)

    def test_index(self):
        index = {m["name"]: m for m in self.client.get_model_repository_index()}
        self.assertEqual(("1", "READY"), (index["identity_FP32"]["version"], index["identity_FP32"]["state"]))

    def test_statistics_count(self):
        def counts():
            stats = self.client.get_inference_statistics("identity_INT16")["model_stats"][0]
            return stats["inference_count"], stats["inference_stats"]["success"]["count"], stats
        rows, requests, _ = counts()
        for _ in range(10):
            self.client.infer("identity_INT16", question("INT16", edges("INT16"), True))
        rows_after, requests_after, stats = counts()
        self.assertEqual((20, 10), (rows_after - rows, requests_after - requests))
        self.assertIsInstance(stats["version"], str)
        for stage in ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss"):
            self.assertLessEqual({"count", "ns"}, set(stats["inference_stats"][stage]))

    def test_statistics_of_all_models(self):
        names = {s["name"] for s in self.client.get_inference_statistics()["model_stats"]}
        self.assertLessEqual({"identity_FP32", "identity_BYTES"}, names)

    def test_unload_and_load(self):
        self.client.unload_model("switched")
        self.assertFalse(self.client.is_model_ready("switched"))
        self.client.load_model("switched")
        self.assertTrue(self.client.is_model_ready("switched"))
        result = self.client.infer("switched", question("FP32", edges("FP32"), True))
        self.assertTrue(same_bits(edges("FP32"), result.as_numpy("OUT")))

    def test_load_with_another_configuration(self):
        config = self.client.get_model_config("switched")
        self.client.load_model("switched", config=json.dumps({"max_batch_size": 3, "backend": config["backend"]}))
        try:
            self.assertEqual(3, self.client.get_model_config("switched")["max_batch_size"])
        finally:
            self.client.load_model("switched")

    def test_loading_what_is_not_there(self):
        with self.assertRaises(InferenceServerException) as caught:
            self.client.load_model("nobody")
        self.assertIn("nobody", caught.exception.message())

    def test_shared_memory_is_refused(self):
        with self.assertRaises(InferenceServerException) as caught:
            self.client.register_system_shared_memory("region", "/key", 64)
        self.assertIn("shared memory", caught.exception.message().lower())


class AsyncIO(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.client = aio.InferenceServerClient(HTTP)
        self.addAsyncCleanup(self.client.close)

    async def test_every_datatype(self):
        for datatype in DATATYPES:
            with self.subTest(datatype):
                values = with_specials(datatype)
                result = await self.client.infer("identity_" + datatype, question(datatype, values, True))
                self.assertTrue(same_bits(values, result.as_numpy("OUT")))

    async def test_many_at_once(self):
        calls = [self.client.infer("identity_INT32", question("INT32", edges("INT32") - i, True)) for i in range(50)]
        for i, result in enumerate(await asyncio.gather(*calls)):
            self.assertTrue(same_bits(edges("INT32") - i, result.as_numpy("OUT")))

    async def test_compression(self):
        values = np.tile(edges("FP64"), (1, 500))
        for way in ("gzip", "deflate"):
            result = await self.client.infer(
                "identity_FP64", question("FP64", values, True), request_compression_algorithm=way, response_compression_algorithm=way)
            self.assertTrue(same_bits(values, result.as_numpy("OUT")))

    async def test_admin(self):
        self.assertTrue(await self.client.is_server_ready())
        self.assertTrue(await self.client.is_model_ready("identity_FP32"))
        self.assertEqual("identity_FP32", (await self.client.get_model_metadata("identity_FP32"))["name"])
        self.assertEqual("identity_FP32", (await self.client.get_inference_statistics("identity_FP32"))["model_stats"][0]["name"])

    async def test_error(self):
        with self.assertRaises(InferenceServerException) as caught:
            await self.client.infer("nobody", question("INT32", edges("INT32"), True))
        self.assertIn("Request for unknown model: 'nobody' is not found", caught.exception.message())


if __name__ == "__main__":
    unittest.main(verbosity=2)
