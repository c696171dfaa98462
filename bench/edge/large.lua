-- wrk: sends a tensor of 600 KB as binary data, again and again, and reports as JSON.
-- The node answers as it answers any other question.

local question

function init(args)
    local header = '{"id":"1","inputs":[{"name":"image","datatype":"FP32","shape":[1,3,224,224],"parameters":{"binary_data_size":602112}}]}'
    wrk.headers["Content-Type"] = "application/octet-stream"
    wrk.headers["Inference-Header-Content-Length"] = tostring(#header)
    question = wrk.format("POST", nil, nil, header .. string.rep("\0\1\2\3", 602112 / 4))
end

function request()
    return question
end

function done(summary, latency, requests)
    local e = summary.errors
    io.write(string.format(
        'RESULT {"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"failed":%d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        e.connect + e.read + e.write + e.status + e.timeout))
end
