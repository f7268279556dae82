/* A node on libei: one thread, epoll, and libei's own calls for everything of the protocol. */
#include <arpa/inet.h>
#include <ei.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static ei_cnode node;
static ei_x_buff out;

static void fail(const char *what) {
    fprintf(stderr, "libei: %s\n", what);
    exit(1);
}

static void reading(long i) {
    ei_x_encode_version(&out);
    ei_x_encode_tuple_header(&out, 5);
    ei_x_encode_atom(&out, "reading");
    ei_x_encode_long(&out, i);
    ei_x_encode_double(&out, 21.5);
    ei_x_encode_binary(&out, "sensor-17", 9);
    ei_x_encode_map_header(&out, 1);
    ei_x_encode_atom(&out, "unit");
    ei_x_encode_atom(&out, "celsius");
}

static void read_reading(const char *buf, int at, const char *kind) {
    char key[MAXATOMLEN], value[MAXATOMLEN], name[64];
    long i, len;
    double number;
    int arity;
    if (strcmp(kind, "reading") || ei_decode_long(buf, &at, &i) || ei_decode_double(buf, &at, &number) ||
        ei_decode_binary(buf, &at, name, &len) || ei_decode_map_header(buf, &at, &arity) || ei_decode_atom(buf, &at, key) ||
        ei_decode_atom(buf, &at, value) || strcmp(key, "unit") || strcmp(value, "celsius"))
        fail("another message");
}

static void answer(int fd, ei_x_buff *in) {
    char kind[MAXATOMLEN];
    int at = 0, version, arity, type, size;
    long count;
    erlang_pid pid;
    const char *buf = in->buff;
    if (ei_decode_version(buf, &at, &version) || ei_decode_tuple_header(buf, &at, &arity)) fail("no tuple");
    ei_get_type(buf, &at, &type, &size);
    out.index = 0;
    if (arity == 2 && (type == ERL_PID_EXT || type == ERL_NEW_PID_EXT)) {
        int from;
        ei_decode_pid(buf, &at, &pid);
        from = at;
        ei_skip_term(buf, &at);
        ei_x_encode_version(&out);
        ei_x_encode_tuple_header(&out, 2);
        ei_x_encode_atom(&out, "echo");
        ei_x_append_buf(&out, buf + from, at - from);
        if (ei_send(fd, &pid, out.buff, out.index) < 0) fail("send");
        return;
    }
    ei_decode_atom(buf, &at, kind);
    if (arity == 3) {
        ei_decode_pid(buf, &at, &pid);
        ei_decode_long(buf, &at, &count);
        for (long i = 0; i < count; i++) {
            out.index = 0;
            reading(i);
            if (ei_send(fd, &pid, out.buff, out.index) < 0) fail("send");
        }
    } else if (arity == 2) {
        ei_decode_long(buf, &at, &count);
        while (count-- > 0) {
            int dialled = ei_connect(&node, "dialled@127.0.0.1");
            if (dialled < 0) fail("dial");
            close(dialled);
        }
    } else {
        read_reading(buf, at, kind);
    }
}

int main(int argc, char **argv) {
    struct in_addr address;
    struct epoll_event events[64];
    int port = 0, one = 1, listener, poll;
    ei_x_buff in;
    (void)argc;
    ei_init();
    address.s_addr = htonl(INADDR_LOOPBACK);
    if (ei_connect_xinit(&node, "127.0.0.1", "peer", "peer@127.0.0.1", &address, argv[1], 17) < 0) fail("init");
    if ((listener = ei_listen(&node, &port, 128)) < 0 || ei_publish(&node, port) < 0) fail("publish");
    poll = epoll_create1(0);
    struct epoll_event watched = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &watched);
    ei_x_new(&in);
    ei_x_new(&out);
    for (;;) {
        int n = epoll_wait(poll, events, 64, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            erlang_msg message;
            if (fd == listener) {
                ErlConnect peer;
                if ((fd = ei_accept(&node, listener, &peer)) < 0) continue;
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                watched.data.fd = fd;
                epoll_ctl(poll, EPOLL_CTL_ADD, fd, &watched);
                continue;
            }
            in.index = 0;
            switch (ei_xreceive_msg(fd, &message, &in)) {
            case ERL_MSG: answer(fd, &in); break;
            case ERL_TICK: break;
            default: close(fd);
            }
        }
    }
}
