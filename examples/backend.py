# CALL_CONFIG_SECRET=whsec_... python backend.py 8000        needs: pip install standardwebhooks
import json, os, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from standardwebhooks import Webhook, WebhookVerificationError

WEBHOOK = Webhook(os.environ["CALL_CONFIG_SECRET"])
CUSTOMERS = {"+15551230001": "Ada"}

class Backend(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            call = WEBHOOK.verify(body, dict(self.headers))
        except (WebhookVerificationError, ValueError):
            return self.send_error(401)
        answer = json.dumps({
            "systemPrompt": "You answer the phone for {{tenant.name}}. The caller is {{name}}. Be brief and friendly.",
            "startMessage": "Hello {{name}}, this is {{tenant.name}}. How can I help?",
            "variables": {"name": CUSTOMERS.get(call["callerPhone"], "a new customer")},
        }).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Backend)
print(f"http://127.0.0.1:{server.server_port}/call-config", flush=True)
server.serve_forever()
