/* The yardstick of a daemon: one thread and epoll; every 8 bytes are answered with 1,200. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { REQUEST = 8, ANSWER = 1200, EVENTS = 64, BACKLOG = 4096 };

static char answer[ANSWER];

static void serve(int connection) {
    char request[REQUEST];
    if (read(connection, request, REQUEST) != REQUEST ||
        write(connection, answer, ANSWER) != ANSWER)
        close(connection);
}

int main(int argc, char **argv) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (argc != 2 || strlen(argv[1]) >= sizeof address.sun_path) return 2;
    strcpy(address.sun_path, argv[1]);
    memset(answer, 'x', ANSWER - 1);
    answer[ANSWER - 1] = '\n';
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, BACKLOG) != 0)
        return 1;
    int queue = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(queue, EPOLL_CTL_ADD, listener, &event);
    if (write(STDOUT_FILENO, "ready\n", 6) != 6) return 1;
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(queue, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int descriptor = events[i].data.fd;
            if (descriptor != listener) {
                serve(descriptor);
                continue;
            }
            int connection = accept4(listener, 0, 0, SOCK_CLOEXEC);
            if (connection < 0) continue;
            struct epoll_event added = {.events = EPOLLIN, .data.fd = connection};
            epoll_ctl(queue, EPOLL_CTL_ADD, connection, &added);
        }
    }
}
