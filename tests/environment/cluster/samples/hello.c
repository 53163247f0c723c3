/* What tests of a node run in pods: hello serve | burn | say WORD | ask ADDRESS PORT */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int fail(const char *what) {
    printf("%s: %s\n", what, strerror(errno));
    return 1;
}

static struct sockaddr_in address_of(const char *host, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, host, &address.sin_addr);
    return address;
}

static int serve(void) {
    char request[4096], host[256] = "", answer[512];
    struct sockaddr_in here = address_of("0.0.0.0", 8080);
    int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 64)) {
        return fail("listen");
    }
    gethostname(host, sizeof host - 1);
    printf("serving\n");
    for (;;) {
        int peer = accept(listener, 0, 0);
        if (peer < 0) {
            continue;
        }
        if (read(peer, request, sizeof request) > 0) {
            int size = snprintf(answer, sizeof answer,
                                "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\nhello from %s\n",
                                strlen(host) + 12, host);
            if (write(peer, answer, size) < 0) {
                fail("write");
            }
        }
        close(peer);
    }
}

static int ask(const char *host, int port) {
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    char answer[4096];
    struct sockaddr_in there = address_of(host, port);
    int peer = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(peer, (struct sockaddr *)&there, sizeof there) || write(peer, request, sizeof request - 1) < 0) {
        return fail("connect");
    }
    for (ssize_t size; (size = read(peer, answer, sizeof answer)) > 0;) {
        fwrite(answer, 1, size, stdout);
    }
    return 0;
}

static void leave(int signal) {
    (void)signal;
    _exit(0);
}

int main(int count, char **words) {
    setvbuf(stdout, 0, _IOLBF, 0);
    signal(SIGTERM, leave);
    signal(SIGPIPE, SIG_IGN);
    const char *command = count > 1 ? words[1] : "serve";
    if (!strcmp(command, "burn")) {
        for (volatile unsigned long turns = 0;; turns++) {
        }
    }
    if (!strcmp(command, "say") && count > 2) {
        return puts(words[2]) < 0;
    }
    if (!strcmp(command, "ask") && count > 3) {
        return ask(words[2], atoi(words[3]));
    }
    return serve();
}
