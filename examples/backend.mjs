// CALL_CONFIG_SECRET=whsec_... node backend.mjs 8000        needs: npm install standardwebhooks
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.env.CALL_CONFIG_SECRET);
const customers = new Map([["+15551230001", "Ada"]]);

const server = createServer(async (request, response) => {
  let call;
  try {
    call = webhook.verify(await text(request), request.headers);
  } catch {
    return response.writeHead(401).end();
  }
  response.writeHead(200, { "Content-Type": "application/json" });
  response.end(JSON.stringify({
    systemPrompt: "You answer the phone for {{tenant.name}}. The caller is {{name}}. Be brief and friendly.",
    startMessage: "Hello {{name}}, this is {{tenant.name}}. How can I help?",
    variables: { name: customers.get(call.callerPhone) ?? "a new customer" },
  }));
});
server.listen(Number(process.argv[2]), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}/call-config`);
});
