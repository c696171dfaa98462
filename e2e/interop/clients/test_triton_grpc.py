"""tritonclient over gRPC, as users install it: the threaded client, its streams, and the asyncio one."""

import asyncio
import json
import queue
import threading
import unittest

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.grpc.aio as aio
from tritonclient.utils import InferenceServerException

from values import DATATYPES, GRPC, edges, same_bits, with_specials


def question(datatype, values):
    tensor = grpc.InferInput("IN", values.shape, datatype)
    tensor.set_data_from_numpy(values)
    return [tensor]


class WithClient(unittest.TestCase):
    def setUp(self):
        self.client = grpc.InferenceServerClient(GRPC)
        self.addCleanup(self.client.close)

    def refused(self, status, text, call):
        with self.assertRaises(InferenceServerException) as caught:
            call()
        self.assertIn(text, caught.exception.message())
        self.assertEqual("StatusCode." + status, caught.exception.status())


class Infer(WithClient):
    def test_there_and_back(self):
        for datatype in DATATYPES:
            with self.subTest(datatype):
                values = with_specials(datatype)
                result = self.client.infer("identity_" + datatype, question(datatype, values))
                self.assertTrue(same_bits(values, result.as_numpy("OUT")), result.as_numpy("OUT"))
                self.assertEqual(1, len(result.get_response().raw_output_contents))

    def test_typed_contents(self):
        from tritonclient.grpc import service_pb2, service_pb2_grpc
        import grpc as plain
        fields = {
            "BOOL": "bool_contents", "UINT8": "uint_contents", "UINT32": "uint_contents", "UINT64": "uint64_contents",
            "INT16": "int_contents", "INT32": "int_contents", "INT64": "int64_contents",
            "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
        }
        with plain.insecure_channel(GRPC) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            for datatype, field in fields.items():
                with self.subTest(datatype):
                    values = edges(datatype)
                    request = service_pb2.ModelInferRequest(model_name="identity_" + datatype)
                    tensor = request.inputs.add(name="IN", datatype=datatype, shape=values.shape)
                    getattr(tensor.contents, field).extend(values.flatten().tolist())
                    answer = stub.ModelInfer(request)
                    result = grpc.InferResult(answer).as_numpy("OUT")
                    self.assertTrue(same_bits(values, result), result)

    def test_empty_tensor(self):
        result = self.client.infer("identity_FP32", question("FP32", np.zeros([1, 0], dtype=np.float32)))
        self.assertEqual((1, 0), result.as_numpy("OUT").shape)

    def test_id_is_echoed(self):
        result = self.client.infer("identity_INT32", question("INT32", edges("INT32")), request_id="abc")
        self.assertEqual("abc", result.get_response().id)

    def test_compression(self):
        values = np.tile(edges("FP32"), (1, 500))
        for way in ("gzip", "deflate"):
            with self.subTest(way):
                result = self.client.infer("identity_FP32", question("FP32", values), compression_algorithm=way)
                self.assertTrue(same_bits(values, result.as_numpy("OUT")))

    def test_large_message(self):
        values = np.arange(3_000_000, dtype=np.float32).reshape(1, -1)  # 12 MB, beyond gRPC's 4 MB
        result = self.client.infer("identity_FP32", question("FP32", values))
        self.assertTrue(same_bits(values, result.as_numpy("OUT")))

    def test_priority_and_timeout(self):
        result = self.client.infer("identity_INT32", question("INT32", edges("INT32")), priority=0, timeout=5_000_000, client_timeout=10)
        self.assertTrue(same_bits(edges("INT32"), result.as_numpy("OUT")))

    def test_async_infer(self):
        done = queue.Queue()
        for i in range(20):
            self.client.async_infer(
                "identity_INT32", question("INT32", edges("INT32") - i), lambda result, error, i=i: done.put((i, result, error)))
        for _ in range(20):
            i, result, error = done.get(timeout=30)
            self.assertIsNone(error)
            self.assertTrue(same_bits(edges("INT32") - i, result.as_numpy("OUT")))

    def test_classification(self):
        values = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]], dtype=np.float32)
        outputs = [grpc.InferRequestedOutput("OUT", class_count=2)]
        top = self.client.infer("identity_FP32", question("FP32", values), outputs=outputs).as_numpy("OUT")
        self.assertEqual([[b"1", b"2"], [b"0", b"2"]], [[c.split(b":")[1] for c in row] for row in top])


class Stream(WithClient):
    def stream(self, questions):
        """Sends the questions on one stream and returns what came back, in order."""
        answers, done = [], threading.Semaphore(0)

        def callback(result, error):
            answers.append((result, error))
            done.release()

        self.client.start_stream(callback)
        for number, (model, inputs) in enumerate(questions):
            self.client.async_stream_infer(model, inputs, request_id=str(number))
        for _ in questions:
            self.assertTrue(done.acquire(timeout=30))
        self.client.stop_stream()
        return answers

    def test_answers_come_in_order(self):
        answers = self.stream([("identity_INT32", question("INT32", edges("INT32") - i)) for i in range(100)])
        for i, (result, error) in enumerate(answers):
            self.assertIsNone(error)
            self.assertEqual(str(i), result.get_response().id)
            self.assertTrue(same_bits(edges("INT32") - i, result.as_numpy("OUT")))

    def test_error_does_not_end_the_stream(self):
        good = ("identity_INT32", question("INT32", edges("INT32")))
        answers = self.stream([good, ("nobody", good[1]), good])
        self.assertEqual([True, False, True], [error is None for _, error in answers])
        self.assertIn("Request for unknown model: 'nobody' is not found", answers[1][1].message())


class Errors(WithClient):
    def test_unknown_model(self):
        self.refused("NOT_FOUND", "Request for unknown model: 'nobody' is not found", lambda: self.client.infer("nobody", question("INT32", edges("INT32"))))

    def test_unknown_version(self):
        self.refused("NOT_FOUND", "Request for unknown model: 'identity_INT32' version 9 is not found", lambda: self.client.infer("identity_INT32", question("INT32", edges("INT32")), model_version="9"))

    def test_wrong_datatype(self):
        self.refused("INVALID_ARGUMENT", "IN", lambda: self.client.infer("identity_INT32", question("FP32", edges("FP32"))))

    def test_unknown_output(self):
        outputs = [grpc.InferRequestedOutput("NONE")]
        self.refused("INVALID_ARGUMENT", "NONE", lambda: self.client.infer("identity_INT32", question("INT32", edges("INT32")), outputs=outputs))

    def test_typed_and_raw_contents_together(self):
        from tritonclient.grpc import service_pb2, service_pb2_grpc
        import grpc as plain
        request = service_pb2.ModelInferRequest(model_name="identity_INT32", raw_input_contents=[b"\0\0\0\0"])
        request.inputs.add(name="IN", datatype="INT32", shape=[1, 1]).contents.int_contents.append(1)
        with plain.insecure_channel(GRPC) as channel:
            with self.assertRaises(plain.RpcError) as caught:
                service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request)
        self.assertEqual(plain.StatusCode.INVALID_ARGUMENT, caught.exception.code())
        self.assertIn("contents field must not be specified when using raw_input_contents", caught.exception.details())


class Admin(WithClient):
    def test_health(self):
        self.assertTrue(self.client.is_server_live())
        self.assertTrue(self.client.is_server_ready())
        self.assertTrue(self.client.is_model_ready("identity_FP32"))
        self.assertTrue(self.client.is_model_ready("identity_FP32", "1"))

    def test_metadata(self):
        self.assertIn("statistics", self.client.get_server_metadata().extensions)
        metadata = self.client.get_model_metadata("identity_BYTES")
        self.assertEqual(["1"], list(metadata.versions))
        self.assertEqual(("IN", "BYTES", [-1, -1]), (metadata.inputs[0].name, metadata.inputs[0].datatype, list(metadata.inputs[0].shape)))

    def test_config(self):
        config = self.client.get_model_config("identity_FP32").config
        self.assertEqual("identity_FP32", config.name)
        self.assertGreater(config.max_batch_size, 0)
        self.assertEqual("IN", config.input[0].name)

    def test_index(self):
        index = {m.name: m for m in self.client.get_model_repository_index().models}
        self.assertEqual(("1", "READY"), (index["identity_FP32"].version, index["identity_FP32"].state))

    def test_statistics_count(self):
        def counts():
            stats = self.client.get_inference_statistics("identity_UINT16").model_stats[0]
            return stats.inference_count, stats.inference_stats.success.count
        rows, requests = counts()
        for _ in range(10):
            self.client.infer("identity_UINT16", question("UINT16", edges("UINT16")))
        rows_after, requests_after = counts()
        self.assertEqual((20, 10), (rows_after - rows, requests_after - requests))

    def test_unload_and_load(self):
        self.client.unload_model("switched_too")
        self.assertFalse(self.client.is_model_ready("switched_too"))
        self.client.load_model("switched_too")
        self.assertTrue(self.client.is_model_ready("switched_too"))

    def test_load_with_another_configuration(self):
        backend = self.client.get_model_config("switched_too").config.backend
        self.client.load_model("switched_too", config=json.dumps({"max_batch_size": 3, "backend": backend}))
        try:
            self.assertEqual(3, self.client.get_model_config("switched_too").config.max_batch_size)
        finally:
            self.client.load_model("switched_too")

    def test_shared_memory_is_refused(self):
        with self.assertRaises(InferenceServerException) as caught:
            self.client.register_system_shared_memory("region", "/key", 64)
        self.assertIn("shared memory", caught.exception.message().lower())


class AsyncIO(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.client = aio.InferenceServerClient(GRPC)
        self.addAsyncCleanup(self.client.close)

    async def test_every_datatype(self):
        for datatype in DATATYPES:
            with self.subTest(datatype):
                values = with_specials(datatype)
                result = await self.client.infer("identity_" + datatype, question(datatype, values))
                self.assertTrue(same_bits(values, result.as_numpy("OUT")))

    async def test_many_at_once(self):
        calls = [self.client.infer("identity_INT32", question("INT32", edges("INT32") - i)) for i in range(50)]
        for i, result in enumerate(await asyncio.gather(*calls)):
            self.assertTrue(same_bits(edges("INT32") - i, result.as_numpy("OUT")))

    async def test_stream(self):
        async def requests():
            for i in range(30):
                yield {"model_name": "identity_INT32", "inputs": question("INT32", edges("INT32") - i), "request_id": str(i)}
        i = 0
        async for result, error in self.client.stream_infer(requests()):
            self.assertIsNone(error)
            self.assertTrue(same_bits(edges("INT32") - i, result.as_numpy("OUT")))
            i += 1
        self.assertEqual(30, i)


class Standard(unittest.TestCase):
    """What any gRPC tool expects of a server."""

    def test_health_service(self):
        import grpc as plain
        from grpc_health.v1 import health_pb2, health_pb2_grpc
        with plain.insecure_channel(GRPC) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            self.assertEqual(health_pb2.HealthCheckResponse.SERVING, stub.Check(health_pb2.HealthCheckRequest()).status)
            watch = stub.Watch(health_pb2.HealthCheckRequest())
            self.assertEqual(health_pb2.HealthCheckResponse.SERVING, next(watch).status)
            watch.cancel()

    def test_reflection(self):
        import grpc as plain
        from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
        with plain.insecure_channel(GRPC) as channel:
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            answers = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
            names = [s.name for s in next(answers).list_services_response.service]
        self.assertIn("inference.GRPCInferenceService", names)


if __name__ == "__main__":
    unittest.main(verbosity=2)
