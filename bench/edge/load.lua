-- wrk: asks a hundred different questions in turn and reports as JSON.
-- The questions are formatted once, so that asking costs the load little.

local questions, asked = {}, 0

function init(args)
    wrk.headers["Content-Type"] = "application/json"
    for i = 1, 100 do
        local body = string.format(
            '{"id":"1","inputs":[{"name":"measurements","datatype":"FP32","shape":[1,4],"data":[5.%02d,3.5,1.4,0.2]}],"outputs":[{"name":"probabilities"}]}',
            i - 1)
        questions[i] = wrk.format("POST", nil, nil, body)
    end
end

function request()
    asked = asked % 100 + 1
    return questions[asked]
end

function done(summary, latency, requests)
    local e = summary.errors
    io.write(string.format(
        'RESULT {"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"failed":%d}\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        e.connect + e.read + e.write + e.status + e.timeout))
end
