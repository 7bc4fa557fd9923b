/* get.h - one request over a socket, for tests of servers that run. */
#ifndef HONE_TESTS_SERVE_GET_H
#define HONE_TESTS_SERVE_GET_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

static char reply[1 << 17]; /* head and body of the last one */

/* The status of `what`, "GET /", at a server with that address; header: "Name: value\r\n",
 * or "". */
static inline int get_status(const char *url, const char *what, const char *header)
{
    char text[512];
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET};
    a.sin_port = htons((uint16_t)atoi(strrchr(url, ':') + 1));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: x\r\n%sConnection: close\r\n\r\n",
             what, header);
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    size_t n = 0;
    ssize_t got;
    while ((got = recv(fd, reply + n, sizeof reply - 1 - n, 0)) > 0) {
        n += (size_t)got;
    }
    reply[n] = '\0';
    close(fd);
    return n > 12 ? atoi(reply + 9) : -1;
}

#endif
