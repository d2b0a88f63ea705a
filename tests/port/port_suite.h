/* What every driver of the port must keep: one test for each promise in the comments of io/io.h. A
 * driver's own test program makes worlds of two hosts that reach each other, and runs the suite. */
#ifndef TESTS_PORT_PORT_SUITE_H
#define TESTS_PORT_PORT_SUITE_H

#include "io/io.h"

/* A page of a web server. */
struct port_page {
    const char *path; /* exactly as asked for, with its query */
    int status;
    const char *content_type; /* NULL: text/plain */
    const char *location;     /* NULL: none */
    const char *body;         /* text */
    bool never;               /* the request is never answered */
};

struct port_hooks {
    /* A world of two hosts, 0 and 1; never NULL. */
    void *(*create)(void);
    /* Ends it, both ports included. Whatever was pending completes with SPATE_ECANCELED meanwhile. */
    void (*destroy)(void *world);
    struct io *(*io)(void *world, int host);
    /* Lets both hosts go on: one turn each, or a few milliseconds when nothing happens. */
    void (*advance)(void *world);
    /* An address of a host that the other can connect to, port 0; family ADDR_NONE: it has none of that
     * family. */
    struct addr (*address)(void *world, int host, enum addr_family);
    /* Calls io_wake() of a host, from another thread where there is one. */
    void (*wake)(void *world, int host);
    /* The path of an empty directory, absolute; lives as long as the world. */
    const char *(*directory)(void *world, int host);
    /* Makes a symbolic link at an absolute path. */
    void (*symlink)(void *world, int host, const char *path, const char *target);
    /* Starts a web server on a host; returns its port. Pages live as long as the world; any other path
     * is 404. */
    uint16_t (*serve)(void *world, int host, const struct port_page *, int count);
    /* From now on this host can open no more sockets, or again as many as before. */
    void (*starve)(void *world, int host, bool starved);
    /* From now on both hosts resolve name to these addresses; count 0: nobody answers. Every other name
     * does not exist. NULL: the driver cannot be told. */
    void (*set_name)(void *world, const char *name, const struct addr *, int count);
};

/* Runs everything; returns the number of tests that failed. */
int port_suite_run(const char *driver, const struct port_hooks *);

#endif
