"""influx-stub.py LOG [SCRIPT] - plays a time-series database for tests

Every request becomes a line of JSON in LOG: t (s), method, path, query, headers (small letters), gzip, lines,
and together: how many were under way when it came. SCRIPT is a JSON list of answers, taken in order, then the
last one again; an answer is [status, {headers}, body], or "hang" (no answer), "reset" (the connection is cut),
"meet" (204 when a second request is under way, or after 2 s); or ["max", bytes], which answers 413 above that
size and 204 below. Without SCRIPT: 204.
"""
import gzip
import http.server
import json
import sys
import threading
import time

log = open(sys.argv[1], "w", buffering=1)
script = json.loads(sys.argv[2]) if len(sys.argv) > 2 and sys.argv[2] else [[204, {}, ""]]
count = 0
under_way = most = 0  # requests without an answer yet: now, and at most so far
change = threading.Condition()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self):
        global under_way, most
        with change:
            under_way += 1
            most = max(most, under_way)
            together = under_way
            change.notify_all()
        try:
            self.answer_one(together)
        finally:
            with change:
                under_way -= 1

    def answer_one(self, together):
        global count
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {k.lower(): v for k, v in self.headers.items()}
        packed = headers.get("content-encoding") == "gzip"
        body = (gzip.decompress(raw) if packed else raw).decode("utf-8", "replace")
        path, _, query = self.path.partition("?")
        log.write(json.dumps({"t": time.monotonic(), "method": self.command, "path": path,
                              "query": query, "headers": headers, "gzip": packed, "together": together,
                              "lines": body.splitlines()}) + "\n")
        step = script[min(count, len(script) - 1)]
        count += 1
        if step == "hang":
            time.sleep(60)
            return
        if step == "meet":
            with change:
                change.wait_for(lambda: most >= 2, 2)
            step = [204, {}, ""]
        if step == "reset":
            self.close_connection = True
            self.connection.close()
            return
        if step[0] == "max":
            big = len(body) > step[1]
            step = [413, {}, '{"error":"Request Entity Too Large"}'] if big else [204, {}, ""]
        status, extra, text = step
        self.send_response(status)
        for k, v in extra.items():
            self.send_header(k, v)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = answer


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(f"stub: ready http://127.0.0.1:{server.server_port}", file=sys.stderr, flush=True)
server.serve_forever()
