// Package loadgen asks an inference server questions and measures its answers, closed loop or open.
//
// It makes v2 requests from the model's own metadata, sends them over HTTP or gRPC, keeps a histogram of latencies, and says
// with the server's own statistics where the time went and what would help. In a closed loop each of N clients asks as soon
// as it has its answer, which tells how much a server can do. In an open loop questions are due at a fixed rate, whether or
// not earlier ones are answered, and a latency counts from the moment at which its question was due: a server that stalls
// is charged for all the questions that it kept from being asked ("coordinated omission", as Gil Tene has named what
// happens otherwise).
//
// It refuses to guess shapes it has not been told, to repeat a question that failed, and to print: results are data.
//
// Concurrency: Run uses as many goroutines as it has clients and waits for all of them.
package loadgen
