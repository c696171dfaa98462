"""The KServe SDK, as users install it: REST v2 and v1, and gRPC."""

import unittest

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput

from values import GRPC, HTTP, bytes_of, edges, same_bits

# The SDK has no BF16.
DATATYPES = ["BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"]


def request(datatype, values, binary):
    tensor = InferInput("IN", list(values.shape), datatype)
    tensor.set_data_from_numpy(values, binary_data=binary)
    # The SDK asks for JSON unless told otherwise, and FP16 has none.
    outputs = [RequestedOutput("OUT", {"binary_data": True})] if binary else None
    return InferRequest(model_name="identity_" + datatype, infer_inputs=[tensor], request_id="abc", request_outputs=outputs)


def output(answer, values):
    """Returns the answer's only output in the shape and type of values."""
    out = answer.outputs[0].as_numpy()
    if values.dtype == object:
        return np.array([bytes_of(x) for x in out.flat], dtype=object).reshape(out.shape)
    return out.astype(values.dtype) if out.dtype != values.dtype else out


class REST(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
        self.addAsyncCleanup(self.client.close)
        self.url = "http://" + HTTP

    async def test_health(self):
        self.assertTrue(await self.client.is_server_live(self.url))
        self.assertTrue(await self.client.is_server_ready(self.url))
        self.assertTrue(await self.client.is_model_ready(self.url, "identity_FP32"))

    async def test_binary(self):
        for datatype in DATATYPES:
            with self.subTest(datatype):
                values = edges(datatype)
                answer = await self.client.infer(self.url, request(datatype, values, True), model_name="identity_" + datatype)
                self.assertTrue(same_bits(values, output(answer, values)))
                self.assertEqual("abc", answer.id)

    async def test_json(self):
        for datatype in DATATYPES:
            if datatype == "FP16":
                continue
            with self.subTest(datatype):
                values = edges(datatype)
                answer = await self.client.infer(self.url, request(datatype, values, False), model_name="identity_" + datatype)
                self.assertTrue(same_bits(values, output(answer, values)))

    async def test_error_is_readable(self):
        with self.assertRaises(Exception) as caught:
            await self.client.infer(self.url, request("FP32", edges("FP32"), True), model_name="nobody")
        self.assertIn("nobody", str(caught.exception))

    async def test_v1(self):
        client = InferenceRESTClient(RESTConfig(protocol="v1", retries=0))
        try:
            answer = await client.infer(self.url, {"instances": [[1.5, 2.5], [3.5, 4.5]]}, model_name="identity_FP32")
            self.assertEqual([[1.5, 2.5], [3.5, 4.5]], answer["predictions"])
            self.assertTrue(await client.is_model_ready(self.url, "identity_FP32"))
        finally:
            await client.close()


class GRPCClient(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.client = InferenceGRPCClient(GRPC)
        self.addAsyncCleanup(self.client.close)

    async def test_health(self):
        self.assertTrue(await self.client.is_server_live())
        self.assertTrue(await self.client.is_server_ready())
        self.assertTrue(await self.client.is_model_ready("identity_FP32"))

    async def test_raw_and_typed(self):
        for binary in (True, False):
            for datatype in DATATYPES:
                if datatype == "FP16" and not binary:
                    continue
                with self.subTest(datatype, binary=binary):
                    values = edges(datatype)
                    answer = await self.client.infer(request(datatype, values, binary))
                    self.assertTrue(same_bits(values, output(answer, values)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
