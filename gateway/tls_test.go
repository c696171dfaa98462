package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"ganglion/internal/certs"
	"ganglion/internal/certs/certstest"
	"ganglion/internal/hop"
	"ganglion/internal/httpserver"
	"ganglion/internal/oip/pb"
	"ganglion/internal/testnode"
)

// secureNode serves over TLS as a node does, the hop included.
type secureNode struct {
	address string
	upgrade bool // it speaks the hop
	hops    *hop.Server
	asked   atomic.Int64
	conns   atomic.Pointer[net.Conn] // the last hop connection
}

func startSecureNode(t *testing.T, files certs.ServerConfig, upgrade bool) *secureNode {
	t.Helper()
	files.MinVersion = "1.3"
	security, err := certs.NewServer(files, quiet)
	if err != nil {
		t.Fatal(err)
	}
	n := &secureNode{upgrade: upgrade}
	if n.hops, err = hop.NewServer(n.answerHop, hop.DefaultConfig(), nil); err != nil {
		t.Fatal(err)
	}
	ln, err := httpserver.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.address = ln.Addr().String()
	var cfg httpserver.Config
	cfg.SetDefaults()
	server := httpserver.New("node", cfg, n.answer, slog.New(slog.DiscardHandler))
	server.Encrypt(security.Config(certs.HTTP))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the node ended with: %v", err)
		}
	})
	return n
}

func (n *secureNode) answer(ctx *fasthttp.RequestCtx) {
	if n.upgrade && string(ctx.Path()) == hop.UpgradePath && ctx.Request.Header.ConnectionUpgrade() {
		ctx.SetStatusCode(fasthttp.StatusSwitchingProtocols)
		ctx.Response.Header.Set("Connection", "Upgrade")
		ctx.Response.Header.Set("Upgrade", hop.Token)
		httpserver.Hijack(ctx, func(ctx context.Context, nc net.Conn) {
			n.conns.Store(&nc)
			n.hops.Serve(ctx, nc) // until the test cuts it
		})
		return
	}
	n.asked.Add(1)
	ctx.SetContentType("application/json")
	ctx.SetBodyString(`{"over":"http"}`)
}

func (n *secureNode) answerHop(_ context.Context, _ *hop.Request, resp *hop.Response) {
	n.asked.Add(1)
	resp.Status, resp.ContentType = 200, append(resp.ContentType, "application/json"...)
	resp.Body = append(resp.Body, `{"over":"hop"}`...)
}

// cut ends the hop connection.
func (n *secureNode) cut() { (*n.conns.Load()).SetDeadline(longAgo) }

// poolTLS is the configuration of a gateway with one node and the given table for TLS with it.
func poolTLS(address, table string) string {
	return fmt.Sprintf(oneNode, address) + "[pools.main.tls]\n" + table + anyRoute
}

func keys(ca string, p certstest.Pair) string {
	return fmt.Sprintf("ca = %q\ncert = %q\nkey = %q\n", ca, p.Cert, p.Key)
}

func (e *edge) causeOfNode() string { return e.gateway.Status().Pools[0].Nodes[0].Cause }

func TestNodesOverMutualTLS(t *testing.T) {
	ca := certstest.New(t)
	pair, own := ca.Valid(t), ca.Valid(t)
	for _, over := range []string{"hop", "http/1.1"} {
		t.Run(over, func(t *testing.T) {
			n := startSecureNode(t, certs.ServerConfig{Cert: pair.Cert, Key: pair.Key, ClientCA: ca.File}, over == "hop")
			e := start(t, poolTLS(n.address, keys(ca.File, own)))
			e.awaitHops(over)
			want := `{"over":"` + strings.TrimSuffix(over, "/1.1") + `"}`
			large := strings.Repeat(" ", 300_000) + inferBody // many records
			for _, body := range []string{inferBody, large, inferBody} {
				if got := e.do("POST", inferPath, body).want(t, 200); got.body != want {
					t.Errorf("got %q, want %q", got.body, want)
				}
			}
		})
	}
}

// Who is not trusted is not asked, and operators read why.
func TestNodesThatAreNotTrusted(t *testing.T) {
	ours, theirs := certstest.New(t), certstest.New(t)
	node, own, stranger := ours.Valid(t), ours.Valid(t), theirs.Valid(t)
	old := ours.Issue(t, time.Now().Add(-time.Minute))
	mutual := certs.ServerConfig{Cert: node.Cert, Key: node.Key, ClientCA: ours.File}
	for _, test := range []struct {
		name   string
		node   certs.ServerConfig
		table  string
		reason string
	}{
		{"another authority", mutual, keys(theirs.File, own), "unknown authority"},
		{"expired", certs.ServerConfig{Cert: old.Cert, Key: old.Key}, keys(ours.File, own), "expired"},
		{"no certificate of ours", mutual, fmt.Sprintf("ca = %q\n", ours.File), "certificate required"},
		{"a stranger's certificate", mutual, keys(ours.File, stranger), "unknown certificate authority"},
		{"another name", mutual, keys(ours.File, own) + "server_name = \"elsewhere\"\n", "not elsewhere"},
		{"plain", mutual, "enabled = false\n", "answers 400"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n := startSecureNode(t, test.node, true)
			e := launch(t, poolTLS(n.address, test.table))
			eventually(t, "the cause", func() bool { return strings.Contains(e.causeOfNode(), test.reason) })
			e.infer().want(t, 503)
			if n.asked.Load() > 0 {
				t.Error("the node was asked")
			}
		})
	}
}

// A plain node behind a table for TLS is no node either.
func TestPlainNodeWhereTLSIsWanted(t *testing.T) {
	ca := certstest.New(t)
	n := testnode.Start(t)
	e := launch(t, poolTLS(n.Address(), fmt.Sprintf("ca = %q\n", ca.File)))
	eventually(t, "the cause", func() bool { return strings.Contains(e.causeOfNode(), "no TLS with the node") })
	e.infer().want(t, 503)
}

// Node and gateway move to another authority while they run; connections made from then on use it.
func TestNodesRenewTheirCertificates(t *testing.T) {
	ca, next := certstest.New(t), certstest.New(t)
	pair, own := ca.Valid(t), ca.Valid(t)
	n := startSecureNode(t, certs.ServerConfig{Cert: pair.Cert, Key: pair.Key, ClientCA: ca.File}, true)
	e := start(t, poolTLS(n.address, keys(ca.File, own)))
	e.awaitHops("hop")
	e.infer().want(t, 200)

	next.Renew(t, pair, time.Now().Add(time.Hour))
	eventually(t, "the new authority refused", func() bool {
		return strings.Contains(e.causeOfNode(), "unknown authority") && e.gateway.Status().Pools[0].Nodes[0].State == "down"
	})
	next.Renew(t, own, time.Now().Add(time.Hour))
	text, err := os.ReadFile(next.File)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ca.File, text, 0o600); err != nil { // of both sides
		t.Fatal(err)
	}
	n.cut()
	// A probe may have found it well before its connections were cut, and another one have died with them.
	eventually(t, "the node back", func() bool { return e.infer().status == 200 })
	e.awaitHops("hop")
}

func TestNodesThatSpeakGRPCOverMutualTLS(t *testing.T) {
	ca := certstest.New(t)
	pair, own := ca.Valid(t), ca.Valid(t)
	security, err := certs.NewServer(certs.ServerConfig{Cert: pair.Cert, Key: pair.Key, ClientCA: ca.File, MinVersion: "1.3"}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	n := startRPCNode(t, grpc.Creds(credentials.NewTLS(security.Config(certs.GRPC))))
	pool := "[pools.main]\nnodes = [{ address = \"" + n.address + "\", protocol = \"grpc\" }]\n" + fastHealth + "[pools.main.tls]\n"
	// The certificate names 127.0.0.1 and "node".
	e := start(t, pool+keys(ca.File, own)+"server_name = \"node\"\n"+anyRoute)
	e.infer().want(t, 200)

	out := launch(t, pool+fmt.Sprintf("ca = %q\n", ca.File)+anyRoute)
	eventually(t, "the cause", func() bool { return strings.Contains(out.causeOfNode(), "certificate required") })
}

// Clients speak TLS on both ports, with certificates if the gateway asks for them; nodes hear of it.
func TestClientsOverTLS(t *testing.T) {
	ca := certstest.New(t)
	pair := ca.Valid(t)
	n := testnode.Start(t)
	e := start(t, fastServer+fmt.Sprintf("[server.tls]\ncert = %q\nkey = %q\nclient_ca = %q\n", pair.Cert, pair.Key, ca.File)+oneNode+anyRoute, n)
	e.url = strings.Replace(e.url, "http:", "https:", 1)
	mine := &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{ca.Valid(t).Load(t)}}
	e.client.Transport.(*http.Transport).TLSClientConfig = mine
	e.infer().want(t, 200)
	if got := n.Last().Header.Get("X-Forwarded-Proto"); got != "https" {
		t.Errorf("the node hears of %q", got)
	}
	askSecurely(t, e.rpc, mine)

	stranger := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool()}, DisableKeepAlives: true}}
	if resp, err := stranger.Get(e.url + "/v2"); err == nil || !strings.Contains(err.Error(), "certificate required") {
		if err == nil {
			resp.Body.Close()
		}
		t.Errorf("without a certificate: %v", err)
	}

	before := shown(t, e.url, mine)
	ca.Renew(t, pair, time.Now().Add(time.Hour))
	if after := shown(t, e.url, mine); before.Equal(after) {
		t.Error("the renewed certificate is not shown")
	}
}

// shown is the certificate that new connections get to see.
func shown(t *testing.T, url string, cfg *tls.Config) *x509.Certificate {
	t.Helper()
	c, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0]
}

func askSecurely(t *testing.T, address string, cfg *tls.Config) {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(credentials.NewTLS(cfg)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if out, err := pb.NewGRPCInferenceServiceClient(conn).ServerLive(ctx, &pb.ServerLiveRequest{}); err != nil || !out.GetLive() {
		t.Errorf("gRPC over TLS: %v, %v", out, err)
	}
}

// What is wrong with the files is said with the line.
func TestCertificatesAreCheckedWithTheFile(t *testing.T) {
	for _, test := range []struct{ table, want string }{
		{"[pools.main.tls]\nca = \"nowhere.pem\"\n", `f:4: pools.main.tls.ca: cannot read "nowhere.pem": no such file or directory`},
		{"[pools.main.tls]\ninsecure = true\n", "f:4: pools.main.tls.insecure: unknown key"},
		{"[server.tls]\n", "f:3: server.tls.cert: is missing"},
	} {
		_, _, err := ParseConfig("f", []byte("[pools.main]\nnodes = [{ address = \"127.0.0.1:9000\" }]\n"+test.table+anyRoute))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s\ngot  %v\nwant %s", test.table, err, test.want)
		}
	}
}
