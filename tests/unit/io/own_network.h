/* A network namespace of the test's own, where loopback also has a public address: 203.0.113.1 is for
 * documentation, no host has it. Works without root where user namespaces are allowed. */
#ifndef TESTS_UNIT_IO_OWN_NETWORK_H
#define TESTS_UNIT_IO_OWN_NETWORK_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define OWN_NETWORK_PUBLIC "203.0.113.1"

static inline bool own_network_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

/* Before the first thread. False with a line on standard error when it cannot be. */
static inline bool own_network_enter(void)
{
    char map[64];
    unsigned uid = getuid(), gid = getgid();
    if (uid == 0 ? unshare(CLONE_NEWNET) != 0 : unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        perror("a network namespace of its own");
        return false;
    }
    if (uid != 0) {
        snprintf(map, sizeof map, "0 %u 1", uid);
        own_network_write("/proc/self/uid_map", map);
        own_network_write("/proc/self/setgroups", "deny");
        snprintf(map, sizeof map, "0 %u 1", gid);
        own_network_write("/proc/self/gid_map", map);
    }
    struct ifreq lo = {.ifr_name = "lo"}, alias = {.ifr_name = "lo:1"};
    struct sockaddr_in at = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    lo.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
    inet_pton(AF_INET, OWN_NETWORK_PUBLIC, &at.sin_addr);
    memcpy(&alias.ifr_addr, &at, sizeof at);
    bool good = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0 && ioctl(fd, SIOCSIFADDR, &alias) == 0;
    if (!good) {
        perror("a public address on loopback");
    }
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

#endif
