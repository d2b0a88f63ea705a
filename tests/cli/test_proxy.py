"""Over HTTPS, through HTTP and SOCKS5 proxies, and by the names of /etc/hosts: torrents are fetched and trackers are
asked. All servers are of this program and on the loopback, under a certificate authority made for the test."""

import base64
import http.server
import os
import select
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
import urllib.parse

import cli

HOST = "files.example"  # resolves nowhere: only the proxy, or the hosts file, knows it
SECRET = "s3cret-word"


def openssl(*arguments, cwd):
    subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True)


def make_certificates(where):
    """ca.pem, and server.pem with its key, for HOST and 127.0.0.1."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=spate tests",
            "-addext", "keyUsage=critical,keyCertSign", cwd=where)
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=" + HOST, cwd=where)
    with open(os.path.join(where, "names"), "w", encoding="utf-8") as file:
        file.write(f"subjectAltName=DNS:{HOST},IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names", "-out", "server.pem", cwd=where)


class Web(http.server.ThreadingHTTPServer):
    """Gives a torrent file, and answers announces with one peer. seen: the paths that were asked for."""

    daemon_threads = True

    def __init__(self, torrent=b"", peer=None, tls=None):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.torrent, self.peer, self.seen = torrent, peer, []
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(os.path.join(tls, "server.pem"), os.path.join(tls, "server.key"))
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            path = urllib.parse.urlsplit(self.path).path  # of the whole URL, as proxies are asked
            self.server.seen.append(path)
            if path.endswith("/announce"):
                body = b"d8:intervali1800e5:peers6:" + self.server.peer + b"e"
            else:
                body = self.server.torrent
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    def handle_error(self, request, client_address):
        pass  # a client that does not trust us goes away


def relay(a, b):
    while True:
        for ready in select.select([a, b], [], [])[0]:
            data = ready.recv(65536)
            if not data:
                return
            (b if ready is a else a).sendall(data)


class Proxy(socketserver.ThreadingTCPServer):
    """targets: where the names that are asked for really are. asked: (host, port) of each request."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, handler, targets, password=None):
        super().__init__(("127.0.0.1", 0), handler)
        self.targets, self.password, self.asked = targets, password, []
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def open(self, host, port):
        self.asked.append((host, port))
        return socket.create_connection(("127.0.0.1", self.targets[host]))

    def handle_error(self, request, client_address):
        pass


class HttpProxy(socketserver.StreamRequestHandler):
    """CONNECT, and GET of a whole URL."""

    def handle(self):
        method, target, _ = self.rfile.readline().decode().split()
        headers = {}
        while line := self.rfile.readline().decode().strip():
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        wanted = self.server.password
        given = headers.get("proxy-authorization", "").removeprefix("Basic ")
        if wanted and base64.b64decode(given).decode() != wanted:
            self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        if method == "CONNECT":
            host, port = target.rsplit(":", 1)
            with self.server.open(host, int(port)) as server:
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                relay(self.connection, server)
        else:
            url = urllib.parse.urlsplit(target)
            with self.server.open(url.hostname, url.port or 80) as server:
                server.sendall(f"GET {url.path}?{url.query} HTTP/1.0\r\nHost: {url.netloc}\r\n\r\n".encode())
                while data := server.recv(65536):
                    self.wfile.write(data)


class SocksProxy(socketserver.StreamRequestHandler):
    """SOCKS5 with names (RFC 1928), and with a password where one is wanted (RFC 1929)."""

    def handle(self):
        version, count = self.rfile.read(2)
        methods = self.rfile.read(count)
        wanted = self.server.password
        method = 2 if wanted else 0
        if version != 5 or method not in methods:
            self.wfile.write(b"\5\xff")
            return
        self.wfile.write(bytes([5, method]))
        if wanted:
            user = self.rfile.read(self.rfile.read(2)[1])
            password = self.rfile.read(self.rfile.read(1)[0])
            good = user + b":" + password == wanted.encode()
            self.wfile.write(bytes([1, not good]))
            if not good:
                return
        kind = self.rfile.read(4)[3]
        host = self.rfile.read(self.rfile.read(1)[0] if kind == 3 else {1: 4, 4: 16}[kind])
        host = host.decode() if kind == 3 else socket.inet_ntop(socket.AF_INET if kind == 1 else socket.AF_INET6, host)
        port = struct.unpack(">H", self.rfile.read(2))[0]
        with self.server.open(host, port) as server:
            self.wfile.write(b"\5\0\0\1\0\0\0\0\0\0")
            relay(self.connection, server)


class Case(cli.Case):
    @classmethod
    def setUpClass(cls):
        cls.certificates = cli.make_directory()
        cls.addClassCleanup(cli.remove_directory, cls.certificates)
        make_certificates(cls.certificates)
        cls.ca = os.path.join(cls.certificates, "ca.pem")

    def setUp(self):
        super().setUp()
        self.write("files/data", cli.noise(200000))
        with open(self.torrent("data"), "rb") as file:
            self.bytes = file.read()

    def serve(self, server):
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def web(self, tls=True, peer=None):
        return self.serve(Web(self.bytes, peer, self.certificates if tls else None))

    def proxy(self, handler, web, password=None):
        return self.serve(Proxy(handler, {HOST: web.server_port, "127.0.0.1": web.server_port}, password))

    def show(self, url, *more, code=0, environment=None):
        out, err = self.spate("show", "--json", url, *more, code=code, environment=environment)
        if code == 0:
            self.assertIn('"name":"data"', out)
        return err


class Https(Case):
    def test_a_torrent_comes_from_a_server_that_the_authority_vouches_for(self):
        web = self.web()
        self.show(f"https://127.0.0.1:{web.server_port}/a.torrent", "--ca-cert", self.ca)
        self.assertEqual(web.seen, ["/a.torrent"])

    def test_nothing_comes_from_one_that_it_does_not_vouch_for(self):
        web = self.web()
        err = self.show(f"https://127.0.0.1:{web.server_port}/a.torrent", code=3)
        self.assertIn("certificate", err)
        # The certificate is for 127.0.0.1 and not for localhost.
        err = self.show(f"https://localhost:{web.server_port}/a.torrent", "--ca-cert", self.ca, code=3)
        self.assertIn("certificate", err)
        self.assertEqual(web.seen, [])

    def test_a_file_of_authorities_that_cannot_be_read_is_said(self):
        web = self.web()
        err = self.show(f"https://127.0.0.1:{web.server_port}/a.torrent", "--ca-cert", "nowhere.pem", code=2)
        self.assertIn("nowhere.pem", err)

    def test_a_server_that_does_not_speak_tls_is_said(self):
        web = self.web(tls=False)
        err = self.show(f"https://127.0.0.1:{web.server_port}/a.torrent", "--ca-cert", self.ca, code=3)
        self.assertIn("TLS", err)


class Through(Case):
    def test_torrents_come_through_both_kinds_of_proxy(self):
        web = self.web()
        for scheme, handler in (("http", HttpProxy), ("socks5", SocksProxy), ("socks5h", SocksProxy)):
            with self.subTest(scheme):
                proxy = self.proxy(handler, web)
                self.show(f"https://{HOST}/a.torrent", "--ca-cert", self.ca, "--proxy", f"{scheme}://127.0.0.1:{proxy.port}")
                self.assertEqual(proxy.asked, [(HOST, 443)])

    def test_plain_http_goes_through_them_too(self):
        web = self.web(tls=False)
        for scheme, handler in (("http", HttpProxy), ("socks5", SocksProxy)):
            with self.subTest(scheme):
                proxy = self.proxy(handler, web)
                self.show(f"http://{HOST}:8080/a.torrent", "--proxy", f"{scheme}://127.0.0.1:{proxy.port}")
                self.assertEqual(proxy.asked, [(HOST, 8080)])

    def test_the_environment_names_proxies_as_usual(self):
        web = self.web()
        proxy = self.proxy(HttpProxy, web)
        socks = self.proxy(SocksProxy, web)
        http_url, socks_url = f"http://127.0.0.1:{proxy.port}", f"socks5://127.0.0.1:{socks.port}"
        for environment, used in (({"https_proxy": http_url}, proxy), ({"HTTPS_PROXY": http_url}, proxy),
                                  ({"all_proxy": socks_url}, socks), ({"ALL_PROXY": socks_url}, socks),
                                  ({"https_proxy": http_url, "all_proxy": socks_url}, proxy),
                                  ({"https_proxy": f"127.0.0.1:{proxy.port}"}, proxy)):
            with self.subTest(environment):
                before = len(used.asked)
                self.show(f"https://{HOST}/a.torrent", "--ca-cert", self.ca, environment=environment)
                self.assertEqual(len(used.asked), before + 1)

    def test_no_proxy_names_what_goes_there_directly(self):
        web = self.web()
        proxy = self.proxy(HttpProxy, web)
        url = f"https://127.0.0.1:{web.server_port}/a.torrent"
        environment = {"https_proxy": f"http://127.0.0.1:{proxy.port}"}
        self.show(url, "--ca-cert", self.ca, environment=environment)
        self.assertEqual(len(proxy.asked), 1)
        for exempt in ("127.0.0.1", "a.example, 127.0.0.1", "*"):
            self.show(url, "--ca-cert", self.ca, environment={**environment, "no_proxy": exempt})
        self.assertEqual(len(proxy.asked), 1)
        # What is said on the command line counts more than all of them.
        self.show(url, "--ca-cert", self.ca, "--proxy", f"http://127.0.0.1:{proxy.port}", environment={"no_proxy": "*"})
        self.assertEqual(len(proxy.asked), 2)

    def test_a_password_opens_the_proxy_and_is_never_shown(self):
        web = self.web()
        for scheme, handler in (("http", HttpProxy), ("socks5", SocksProxy)):
            with self.subTest(scheme):
                proxy = self.proxy(handler, web, "me:" + SECRET)
                options = ["--ca-cert", self.ca, "--proxy"]
                self.show(f"https://{HOST}/a.torrent", *options, f"{scheme}://me:{SECRET}@127.0.0.1:{proxy.port}")
                err = self.show(f"https://{HOST}/a.torrent", *options, f"{scheme}://me:{SECRET}x@127.0.0.1:{proxy.port}",
                                code=3)
                self.assertNotIn(SECRET, err)
                self.assertIn("proxy", err.lower())
                self.assertEqual(len(proxy.asked), 1)

    def test_a_proxy_that_is_not_there_or_not_one_is_an_error(self):
        for proxy in (f"http://127.0.0.1:{cli.free_port()}", f"socks5://127.0.0.1:{cli.free_port()}"):
            self.show(f"https://{HOST}/a.torrent", "--proxy", proxy, code=3)
        for proxy, code in (("gopher://127.0.0.1:1", 2), ("http://", 2), ("http://a b", 3)):
            err = self.show(f"https://{HOST}/a.torrent", "--proxy", proxy, code=code)
            self.assertIn("proxy", err)


class Tracker(Case):
    def expect_download(self, url, *options, environment=None):
        _, address = self.seeder(self.path("data.torrent"))
        host, port = address.split(":")
        self.tracker.peer = socket.inet_aton(host) + struct.pack(">H", int(port))
        where = "out" + port
        self.spate("get", "data.torrent", "-o", where, "--bind", "127.0.0.1", "--timeout", "60", "--tracker", url,
                   *options, environment=environment)
        self.assertEqual(cli.digest(self.path(where)), cli.digest(self.path("files")))
        self.assertIn("/announce", self.tracker.seen)
        self.tracker.seen.clear()

    def test_https_trackers_are_asked_through_both_kinds_of_proxy(self):
        self.tracker = self.web()
        url = f"https://{HOST}/announce"
        for scheme, handler in (("http", HttpProxy), ("socks5", SocksProxy)):
            with self.subTest(scheme):
                proxy = self.proxy(handler, self.tracker, "me:" + SECRET)
                self.expect_download(url, "--ca-cert", self.ca, "--proxy", f"{scheme}://me:{SECRET}@127.0.0.1:{proxy.port}")
                self.assertEqual(set(proxy.asked), {(HOST, 443)})

    def test_the_environment_counts_for_trackers_too(self):
        self.tracker = self.web(tls=False)
        proxy = self.proxy(HttpProxy, self.tracker)
        self.expect_download(f"http://{HOST}/announce", environment={"http_proxy": f"http://127.0.0.1:{proxy.port}"})
        self.assertEqual(set(proxy.asked), {(HOST, 80)})

    def test_https_without_a_proxy(self):
        self.tracker = self.web()
        self.expect_download(f"https://127.0.0.1:{self.tracker.server_port}/announce", "--ca-cert", self.ca)

    def test_a_tracker_that_is_not_trusted_is_not_asked_and_named(self):
        tracker = self.web()
        out, err = self.spate("scrape", "data.torrent", "-t", f"https://127.0.0.1:{tracker.server_port}/announce", code=5)
        self.assertIn("certificate", out + err)
        self.assertEqual(tracker.seen, [])


class Hosts(Case):
    """/etc/hosts is replaced in a mount namespace, which needs no root."""

    def spate_with_hosts(self, *arguments, code=0):
        hosts = self.write("hosts", f"127.0.0.1 localhost\n127.0.0.1\t{HOST} alias.example # a comment\n")
        script = 'mount --bind "$1" /etc/hosts && shift && exec "$@"'
        result = subprocess.run(["unshare", "-rm", "sh", "-c", script, "sh", hosts, cli.SPATE, *arguments],
                                cwd=self.directory, env=self.environment, capture_output=True, timeout=cli.PATIENCE)
        self.assertEqual(result.returncode, code, result)
        return result.stdout.decode()

    def test_their_names_are_known_to_fetches(self):
        web = self.web()
        out = self.spate_with_hosts("show", "--json", f"https://{HOST}:{web.server_port}/a.torrent", "--ca-cert", self.ca,
                                    "--allow-local")
        self.assertIn('"name":"data"', out)

    def test_their_names_are_known_to_trackers_of_both_protocols(self):
        web, port = self.web(tls=False, peer=b"\x7f\0\0\1\0\1"), cli.free_port()
        self.start("tracker", "--udp", f"127.0.0.1:{port}", stdout=subprocess.DEVNULL)
        process, _ = self.seeder("data.torrent", "files", "--tracker", f"udp://127.0.0.1:{port}/announce")
        for name in ("alias.example", "localhost"):
            out = self.spate_with_hosts("get", "data.torrent", "-o", "out-" + name, "--bind", "127.0.0.1", "--timeout", "60",
                                        "--tracker", f"udp://{name}:{port}/announce")
            self.assertIn("complete", out)
        self.spate_with_hosts("get", "data.torrent", "-o", "out", "--bind", "127.0.0.1", "--timeout", "5", "--tracker",
                              f"http://alias.example:{web.server_port}/announce", code=4)
        self.assertIn("/announce", web.seen)
        self.stop(process)


if __name__ == "__main__":
    cli.main()
