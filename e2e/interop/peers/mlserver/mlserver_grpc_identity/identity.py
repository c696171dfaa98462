"""A model that answers what it is asked, for MLServer."""

from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput


class Identity(MLModel):
    async def load(self) -> bool:
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        outputs = [
            ResponseOutput(name="OUT", shape=t.shape, datatype=t.datatype, data=t.data)
            for t in payload.inputs
        ]
        return InferenceResponse(id=payload.id, model_name=self.name, model_version="v1", outputs=outputs)
