// A TLS peer on Node for the interoperability tests: see peer.go for what it prints and does.
"use strict";
const fs = require("node:fs");
const tls = require("node:tls");

const role = process.argv[2];
const options = {};
for (let index = 3; index < process.argv.length; index += 2) {
  options[process.argv[index].slice(1)] = process.argv[index + 1];
}
const settings = { minVersion: "TLSv1.3", servername: "localhost" };
if (options.cert) {
  settings.cert = fs.readFileSync(options.cert);
  settings.key = fs.readFileSync(options.key);
}
if (options.authority) settings.ca = fs.readFileSync(options.authority);
if (options.groups) settings.ecdhCurve = options.groups;
if (options.alpn) settings.ALPNProtocols = options.alpn.split(",");
if (options.require) Object.assign(settings, { requestCert: true, rejectUnauthorized: true });

function report(socket) {
  const peer = socket.getPeerCertificate();
  console.log(
    JSON.stringify({
      version: socket.getProtocol() === "TLSv1.3" ? 0x0304 : 0,
      cipher: socket.getCipher().standardName,
      group: (socket.getEphemeralKeyInfo() || {}).name || null,
      alpn: socket.alpnProtocol || "",
      peer: peer && peer.subject ? peer.subject.CN : "",
    }),
  );
}

function fail(error) {
  console.error("failed:", error.code || "", error.message);
  process.exit(1);
}

if (role === "serve") {
  const server = tls.createServer({ ...settings, allowHalfOpen: true }, (socket) => {
    report(socket);
    socket.on("error", (error) => console.error("broke off:", error.message));
    socket.pipe(socket);
  });
  server.on("tlsClientError", (error) => console.error("refused:", error.code, error.message));
  server.listen(0, "127.0.0.1", () => console.log("port", server.address().port));
} else {
  const [host, port] = options.address.split(":");
  const pattern = Buffer.from("tlsocket".repeat(Number(options.count || 1000000) / 8));
  const socket = tls.connect({ ...settings, host, port: Number(port), allowHalfOpen: true }, () => {
    report(socket);
    socket.end(pattern);
  });
  const pieces = [];
  socket.on("error", fail);
  socket.on("data", (piece) => pieces.push(piece));
  socket.on("end", () => {
    if (!Buffer.concat(pieces).equals(pattern)) fail(new Error("other bytes came back"));
  });
}
