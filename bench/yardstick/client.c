/* The yardstick of a client: connects, writes a request, reads 1,200 bytes, prints them. */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER = 1200 };

int main(int argc, char **argv) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char answer[ANSWER];
    size_t have = 0;
    if (argc != 2 || strlen(argv[1]) >= sizeof address.sun_path) return 2;
    strcpy(address.sun_path, argv[1]);
    int daemon = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(daemon, (struct sockaddr *)&address, sizeof address) != 0) return 1;
    if (write(daemon, "get acme", 8) != 8) return 1;
    while (have < ANSWER) {
        ssize_t got = read(daemon, answer + have, ANSWER - have);
        if (got <= 0) return 1;
        have += (size_t)got;
    }
    return write(STDOUT_FILENO, answer, ANSWER) == ANSWER ? 0 : 1;
}
