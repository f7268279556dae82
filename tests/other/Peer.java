import com.ericsson.otp.erlang.*;

/** A node on JInterface: `serve NODE COOKIE` answers calls of `echo` and prints what comes; `ask NODE COOKIE PEER` asks a peer. */
public class Peer {
    public static void main(String[] args) throws Exception {
        OtpNode node = new OtpNode(args[1], args[2]);
        if (args[0].equals("serve")) {
            serve(node);
        } else {
            ask(node, args[3], args[2]);
            node.close();
            System.exit(0);
        }
    }

    static void serve(OtpNode node) throws Exception {
        node.registerStatusHandler(new OtpNodeStatus() {
            @Override
            public void remoteStatus(String peer, boolean up, Object info) {
                System.out.println((up ? "up " : "down ") + peer + " " + info);
            }
        });
        OtpMbox collector = node.createMbox("collector");
        new Thread(() -> {
            while (true) {
                try {
                    System.out.println("collector " + collector.receive());
                } catch (Exception e) {
                    System.out.println("collector " + e);
                }
            }
        }).start();
        OtpMbox echo = node.createMbox("echo");
        System.out.println("up");
        while (true) {
            try {
                OtpErlangObject message = echo.receive();
                System.out.println("echo " + message);
                if (message instanceof OtpErlangTuple call && call.arity() == 3) {
                    OtpErlangTuple from = (OtpErlangTuple) call.elementAt(1);
                    OtpErlangObject[] answer = {from.elementAt(1), call.elementAt(2)};
                    echo.send((OtpErlangPid) from.elementAt(0), new OtpErlangTuple(answer));
                }
            } catch (Exception e) {
                System.out.println("echo " + e);
            }
        }
    }

    static OtpErlangAtom atom(String name) {
        return new OtpErlangAtom(name);
    }

    static OtpErlangTuple tuple(OtpErlangObject... elements) {
        return new OtpErlangTuple(elements);
    }

    static void ask(OtpNode node, String peer, String cookie) throws Exception {
        OtpMbox box = node.createMbox();
        System.out.println("ping: " + node.ping(peer, 10000));
        for (String function : new String[] {"mem:free", "lists:reverse"}) {
            String[] names = function.split(":");
            OtpErlangList none = new OtpErlangList();
            OtpErlangList arguments = names[0].equals("mem") ? none : new OtpErlangList(new OtpErlangList(new OtpErlangLong(1)));
            box.send("rex", peer, tuple(box.self(), tuple(atom("call"), atom(names[0]), atom(names[1]), arguments, atom("user"))));
            System.out.println("rpc " + function + ": " + box.receive(10000));
        }
        OtpErlangRef tag = node.createRef();
        box.send("echo", peer, tuple(atom("$gen_call"), tuple(box.self(), tag), atom("hello")));
        OtpErlangObject answer = box.receive(10000);
        System.out.println("call: " + (answer instanceof OtpErlangTuple reply && reply.elementAt(0).equals(tag) ? reply.elementAt(1) : answer));
        try {
            box.link(new OtpErlangPid(peer, 999, 0, 1));
            System.out.println("link of nobody: " + box.receive(10000));
        } catch (OtpErlangExit e) {
            System.out.println("link of nobody: exit " + e.reason());
        }
        System.out.println("still there: " + node.ping(peer, 10000));
    }
}
