/* A node on Erlang's C library (libei), as people write them: it serves one connection after the other, or asks another node.
 *
 *   node serve ALIVE HOST COOKIE          listens, registers with EPMD, and prints what comes; answers calls of "echo", and pings
 *   node mute ALIVE HOST COOKIE           the same, and answers no pings: libei does not do it by itself
 *   node rpc ALIVE HOST COOKIE NODE       ei_rpc: mem:free([]) and lists:reverse([[1]])
 *   node send ALIVE HOST COOKIE NODE TO   ei_reg_send of the atom hello
 */
#include <arpa/inet.h>
#include <ei.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static ei_cnode self;

static void fail(const char *what) {
    printf("failed: %s (%d)\n", what, erl_errno);
    exit(1);
}

static char *text_of(const char *buf) {
    char *text = NULL;
    int index = 0, version;
    if (buf == NULL || ei_decode_version(buf, &index, &version) < 0 || ei_s_print_term(&text, buf, &index) < 0) return strdup("?");
    return text;
}

/* Answers a call of a gen_server with its own request, or with yes: {Tag, Request} to the process that asked. */
static void answer(int fd, const char *buf, int yes) {
    int index = 0, version, arity, tag, end;
    char name[MAXATOMLEN];
    erlang_pid from;
    ei_x_buff x;
    if (ei_decode_version(buf, &index, &version) < 0 || ei_decode_tuple_header(buf, &index, &arity) < 0 || arity != 3) return;
    if (ei_decode_atom(buf, &index, name) < 0 || strcmp(name, "$gen_call") != 0) return;
    if (ei_decode_tuple_header(buf, &index, &arity) < 0 || ei_decode_pid(buf, &index, &from) < 0) return;
    tag = index;
    if (ei_skip_term(buf, &index) < 0) return;
    end = index;
    ei_x_new_with_version(&x);
    ei_x_encode_tuple_header(&x, 2);
    ei_x_append_buf(&x, buf + tag, end - tag);
    tag = index;
    if (ei_skip_term(buf, &index) < 0) return;
    if (yes) {
        ei_x_encode_atom(&x, "yes");
    } else {
        ei_x_append_buf(&x, buf + tag, index - tag);
    }
    if (ei_send(fd, &from, x.buff, x.index) < 0) printf("the answer failed\n");
    ei_x_free(&x);
}

static const char *kind(long type) {
    switch (type) {
    case ERL_LINK: return "LINK";
    case ERL_SEND: return "SEND";
    case ERL_EXIT: return "EXIT";
    case ERL_UNLINK: return "UNLINK";
    case ERL_REG_SEND: return "REG_SEND";
    case ERL_GROUP_LEADER: return "GROUP_LEADER";
    case ERL_EXIT2: return "EXIT2";
    default: return "?";
    }
}

static void serve_one(int fd, int pongs) {
    ei_x_buff x;
    erlang_msg message;
    ei_x_new(&x);
    for (;;) {
        int got;
        x.index = 0;
        got = ei_xreceive_msg(fd, &message, &x);
        if (got == ERL_TICK) continue;
        if (got == ERL_ERROR) {
            printf("the connection ended: %d\n", erl_errno);
            break;
        }
        char *text = text_of(message.msgtype == ERL_SEND || message.msgtype == ERL_REG_SEND ? x.buff : NULL);
        printf("%s %s %s\n", kind(message.msgtype), message.msgtype == ERL_REG_SEND ? message.toname : "-", text);
        free(text);
        if (message.msgtype != ERL_REG_SEND) continue;
        if (strcmp(message.toname, "echo") == 0) answer(fd, x.buff, 0);
        if (pongs && strcmp(message.toname, "net_kernel") == 0) answer(fd, x.buff, 1);
    }
    ei_x_free(&x);
    close(fd);
}

static void serve(int pongs) {
    int port = 0, listener = ei_listen(&self, &port, 5);
    if (listener < 0) fail("listen");
    if (ei_publish(&self, port) < 0) fail("publish");
    printf("up on %d\n", port);
    for (;;) {
        ErlConnect peer;
        int fd = ei_accept(&self, listener, &peer);
        if (fd < 0) {
            printf("accept failed: %d\n", erl_errno);
            continue;
        }
        printf("connected %s\n", peer.nodename);
        serve_one(fd, pongs);
    }
}

static void rpc(int fd, char *module, char *function, const char *args) {
    ei_x_buff in, out;
    ei_x_new(&in);
    ei_x_new(&out);
    ei_x_format_wo_ver(&in, args);
    if (ei_rpc(&self, fd, module, function, in.buff, in.index, &out) < 0) {
        printf("%s:%s failed: %d\n", module, function, erl_errno);
    } else {
        char *text = NULL;
        int index = 0;
        ei_s_print_term(&text, out.buff, &index);
        printf("%s:%s %s\n", module, function, text);
        free(text);
    }
    ei_x_free(&in);
    ei_x_free(&out);
}

int main(int argc, char **argv) {
    struct in_addr address;
    char node[MAXNODELEN];
    if (argc < 5) return 2;
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    ei_init();
    address.s_addr = inet_addr("127.0.0.1");
    snprintf(node, sizeof node, "%s@%s", argv[2], argv[3]);
    if (ei_connect_xinit(&self, argv[3], argv[2], node, &address, argv[4], 7) < 0) fail("init");
    if (strcmp(argv[1], "serve") == 0) serve(1);
    if (strcmp(argv[1], "mute") == 0) serve(0);
    if (argc < 6) return 2;
    int fd = ei_connect(&self, argv[5]);
    if (fd < 0) fail("connect");
    if (strcmp(argv[1], "rpc") == 0) {
        rpc(fd, "mem", "free", "[]");
        rpc(fd, "lists", "reverse", "[[1]]");
        rpc(fd, "mem", "free", "[]");
    } else {
        ei_x_buff x;
        ei_x_new_with_version(&x);
        ei_x_encode_atom(&x, "hello");
        if (ei_reg_send(&self, fd, argv[6], x.buff, x.index) < 0) fail("send");
        printf("sent\n");
    }
    close(fd);
    return 0;
}
