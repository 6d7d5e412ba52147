// A TLS peer on Java's JSSE for the interoperability tests: see peer.go for what it prints and does.

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

public class Peer {
    static Map<String, String> options = new HashMap<>();

    public static void main(String[] arguments) throws Exception {
        for (int index = 1; index + 1 < arguments.length; index += 2) {
            options.put(arguments[index].substring(1), arguments[index + 1]);
        }
        if (options.containsKey("groups")) {
            System.setProperty("jdk.tls.namedGroups", options.get("groups"));
        }
        SSLContext context = SSLContext.getInstance("TLSv1.3");
        context.init(keys(), trust(), null);
        if (arguments[0].equals("serve")) {
            serve(context);
        } else {
            connect(context);
        }
    }

    static javax.net.ssl.KeyManager[] keys() throws Exception {
        if (!options.containsKey("cert")) {
            return null;
        }
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        InputStream chain = Files.newInputStream(Path.of(options.get("cert")));
        Certificate[] certificates = factory.generateCertificates(chain).toArray(new Certificate[0]);
        String pem = Files.readString(Path.of(options.get("key")));
        byte[] der = Base64.getMimeDecoder().decode(pem.replaceAll("-----[^-]*-----", ""));
        String algorithm = certificates[0].getPublicKey().getAlgorithm();
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        store.setKeyEntry("key", KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(der)),
            new char[0], certificates);
        KeyManagerFactory managers = KeyManagerFactory.getInstance("PKIX");
        managers.init(store, new char[0]);
        return managers.getKeyManagers();
    }

    static javax.net.ssl.TrustManager[] trust() throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        if (options.containsKey("authority")) {
            byte[] pem = Files.readAllBytes(Path.of(options.get("authority")));
            CertificateFactory factory = CertificateFactory.getInstance("X.509");
            store.setCertificateEntry("root", factory.generateCertificate(new ByteArrayInputStream(pem)));
        }
        TrustManagerFactory managers = TrustManagerFactory.getInstance("PKIX");
        managers.init(store);
        return managers.getTrustManagers();
    }

    static void parameters(SSLSocket socket, boolean client) {
        SSLParameters parameters = socket.getSSLParameters();
        parameters.setProtocols(new String[] {"TLSv1.3"});
        if (options.containsKey("alpn")) {
            parameters.setApplicationProtocols(options.get("alpn").split(","));
        }
        if (client) {
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
        } else {
            parameters.setNeedClientAuth(options.containsKey("require"));
        }
        socket.setSSLParameters(parameters);
    }

    static void report(SSLSocket socket) {
        String peer = "";
        try {
            X509Certificate certificate = (X509Certificate) socket.getSession().getPeerCertificates()[0];
            peer = certificate.getSubjectX500Principal().getName().replaceAll(".*CN=([^,]*).*", "$1");
        } catch (javax.net.ssl.SSLPeerUnverifiedException error) {
            // it sent none
        }
        int version = socket.getSession().getProtocol().equals("TLSv1.3") ? 0x0304 : 0;
        System.out.println("{\"version\": " + version + ", \"cipher\": \"" + socket.getSession().getCipherSuite()
            + "\", \"alpn\": \"" + socket.getApplicationProtocol() + "\", \"peer\": \"" + peer + "\"}");
    }

    static void serve(SSLContext context) throws Exception {
        SSLServerSocket listener = (SSLServerSocket) context.getServerSocketFactory().createServerSocket(
            0, 5, java.net.InetAddress.getLoopbackAddress());
        System.out.println("port " + listener.getLocalPort());
        while (true) {
            try (SSLSocket socket = (SSLSocket) listener.accept()) {
                parameters(socket, false);
                socket.startHandshake();
                report(socket);
                socket.getInputStream().transferTo(socket.getOutputStream());
            } catch (java.io.IOException error) {
                System.err.println("refused: " + error);
            }
        }
    }

    static void connect(SSLContext context) throws Exception {
        String[] address = options.get("address").split(":");
        byte[] pattern = "tlsocket".repeat(Integer.parseInt(options.getOrDefault("count", "1000000")) / 8).getBytes();
        SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(
            new java.net.Socket(address[0], Integer.parseInt(address[1])), "localhost",
            Integer.parseInt(address[1]), true);
        parameters(socket, true);
        socket.startHandshake();
        Thread sender = new Thread(() -> {
            try {
                OutputStream out = socket.getOutputStream();
                out.write(pattern);
                socket.shutdownOutput();
            } catch (java.io.IOException error) {
                System.err.println("failed: " + error);
            }
        });
        sender.start();
        byte[] echo = socket.getInputStream().readAllBytes();
        sender.join();
        if (!java.util.Arrays.equals(echo, pattern)) {
            System.err.println("failed: " + echo.length + " bytes came back, and not the ones sent");
            System.exit(1);
        }
        report(socket);
    }
}
