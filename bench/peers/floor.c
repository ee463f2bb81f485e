/* What a delivery costs when nothing is done for it but one write(2): the floor for servers that write each message
 * by itself. One room; every WebSocket of this process is in it, and what one of them says goes to all.
 *
 * It serves the benchmark's clients and nobody else: their handshake has always the same key, their frames are whole,
 * masked, of text and shorter than 64 KiB. Whatever is otherwise ends the process, or, for who leaves, the connection.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, INPUT = 16384, BACKLOG = 4096, MASK = 4, TEXT = 0x81, EXTENDED = 126 };

/* The key is that of RFC 6455 section 1.3, and so is the answer to it. */
static const char KEY[] = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
static const char ANSWER[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

struct client {
    int fd;
    size_t place; /* in the room, once `upgraded` */
    size_t used;  /* of `input` */
    bool upgraded;
    unsigned char input[INPUT];
};

static struct client **room;
static size_t people, space;

static void fail(const char *what) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void enter(struct client *client) {
    if (people == space) {
        space = space ? 2 * space : 1024;
        room = realloc(room, space * sizeof *room);
        if (room == NULL) fail("no memory for the room");
    }
    client->upgraded = true;
    client->place = people;
    room[people++] = client;
}

static void leave(struct client *client) {
    if (client->upgraded) {
        room[client->place] = room[--people];
        room[client->place]->place = client->place;
    }
    close(client->fd);
    free(client);
}

static void deliver(const unsigned char *frame, size_t length) {
    for (size_t place = 0; place < people; place++) {
        ssize_t written = send(room[place]->fd, frame, length, MSG_NOSIGNAL);
        /* Who has left is found when its socket is read. */
        if (written != (ssize_t)length && errno != EPIPE && errno != ECONNRESET) fail("a client does not keep up");
    }
}

/* Sends on the frame that `data` begins with; returns its length, 0 when it is not all there. */
static size_t take_frame(unsigned char *data, size_t length) {
    static unsigned char frame[INPUT];
    if (length < 2) return 0;
    if (data[0] != TEXT || data[1] > (0x80 | EXTENDED)) fail("expected a masked frame of text");
    size_t size = data[1] & 0x7f, head = 2;
    if (size == EXTENDED) {
        if (length < 4) return 0;
        size = (size_t)data[2] << 8 | data[3];
        head = 4;
    }
    size_t total = head + MASK + size;
    if (total > INPUT) fail("expected a shorter frame");
    if (length < total) return 0;
    memcpy(frame, data, head);
    frame[1] &= 0x7f;
    for (size_t i = 0; i < size; i++) frame[head + i] = data[head + MASK + i] ^ data[head + i % MASK];
    deliver(frame, head + size);
    return total;
}

/* Answers the handshake; returns its length, 0 when it is not all there. */
static size_t take_handshake(struct client *client) {
    unsigned char *end = memmem(client->input, client->used, "\r\n\r\n", 4);
    if (end == NULL) return 0;
    if (memmem(client->input, client->used, KEY, strlen(KEY)) == NULL) fail("expected the benchmark's handshake");
    if (send(client->fd, ANSWER, strlen(ANSWER), MSG_NOSIGNAL) > 0) enter(client);
    return (size_t)(end + 4 - client->input);
}

static void receive(struct client *client) {
    ssize_t got = recv(client->fd, client->input + client->used, INPUT - client->used, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        leave(client);
        return;
    }
    client->used += (size_t)got;
    size_t begin = 0, taken;
    do {
        taken = client->upgraded ? take_frame(client->input + begin, client->used - begin) : take_handshake(client);
        begin += taken;
    } while (taken);
    client->used -= begin;
    memmove(client->input, client->input + begin, client->used);
}

static void watch(int epoll, int fd, void *who) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = who};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll_ctl");
}

static void welcome(int epoll, int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), yes = 1;
    if (fd < 0) return;
    /* Or else the kernel would hold messages back and join them (Nagle's algorithm). */
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) < 0) fail("TCP_NODELAY");
    struct client *client = calloc(1, sizeof *client);
    if (client == NULL) fail("no memory for a client");
    client->fd = fd;
    watch(epoll, fd, client);
}

static int listen_on(int port) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
    if (listen(listener, BACKLOG) < 0) fail("listen");
    return listener;
}

int main(int count, char **arguments) {
    if (count != 2) {
        fprintf(stderr, "expected one argument, the port\n");
        return 2;
    }
    int listener = listen_on(atoi(arguments[1])), epoll = epoll_create1(0);
    struct epoll_event events[EVENTS];
    watch(epoll, listener, NULL);
    for (;;) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr == NULL) welcome(epoll, listener);
            else receive(events[i].data.ptr);
        }
    }
}
