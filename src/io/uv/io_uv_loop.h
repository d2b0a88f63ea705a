/* The heart of io_uv: operations, timers, turns, and descriptors watched by libuv.
 *
 * libuv's callbacks only note what has happened (io_uv_loop_complete); one turn, after libuv has
 * asked the kernel, reads the clock, lets due timers expire and then calls op->done for all that
 * was noted. So no completion is ever called from inside a submission, and turn ends come when all
 * sockets that were ready have been handled. What is completed in a turn is delivered in the next
 * one, before the loop waits again. */
#ifndef IO_UV_IO_UV_LOOP_H
#define IO_UV_IO_UV_LOOP_H

#include "io/io.h"

#include <uv.h>

/* What op->kind says. */
enum io_uv_op {
    IO_UV_OP_DONE, /* queued for delivery; cancelling changes nothing any more */
    IO_UV_OP_TIMER,
    IO_UV_OP_TURN_END,
    IO_UV_OP_WAKE,
    IO_UV_OP_WAIT,
    IO_UV_OP_CONNECT,
    IO_UV_OP_WORK,
    IO_UV_OP_RESOLVE,
    IO_UV_OP_HTTP,
};

struct io_uv_loop {
    struct io io; /* first: the port is the loop */
    uv_loop_t uv;
    uv_check_t after_poll;
    uv_timer_t alarm; /* ends the wait of io_uv_loop_run() */
    uv_async_t wake;
    int64_t now_ns;
    struct heap timers;    /* of io_op.timer */
    struct list completed; /* of io_op.link, to be delivered */
    struct list turn_ends; /* of io_op.link */
    struct list dirty;     /* of io_uv_watch.dirty: interest may differ from what is polled */
    struct io_op *wake_op; /* waiting for io_wake, or NULL */
    size_t active;         /* operations submitted and not yet delivered */
    bool woken;            /* io_wake was called and nobody has been told */
    bool unregistered;     /* libuv has changes that the kernel learns at the next run */
    bool in_turn;
    bool ending; /* submissions complete with SPATE_ECANCELED */
};

static inline struct io_uv_loop *io_uv_loop_of(struct io *io)
{
    return (struct io_uv_loop *)(void *)io;
}

/* SPATE_E... when libuv cannot start. io.driver is set by the caller. */
int io_uv_loop_init(struct io_uv_loop *);
/* No operation and no watch may be left. */
void io_uv_loop_deinit(struct io_uv_loop *);

/* One turn; waits for something to do, at most timeout_ms (-1: no limit). */
void io_uv_loop_run(struct io_uv_loop *, int timeout_ms);
/* How long a turn may wait; -1: for ever. */
int io_uv_loop_timeout_ms(struct io_uv_loop *);
/* Reads the clock anew, and returns it. */
int64_t io_uv_loop_read_clock(struct io_uv_loop *);

/* Takes an operation in. False: the loop is ending, and op completes with SPATE_ECANCELED. */
bool io_uv_loop_submit(struct io_uv_loop *, struct io_op *, enum io_uv_op kind);
/* Notes the result; op->done is called in a turn. op must be in no list or heap. If op->subject is
 * not NULL it is a struct io_op * that becomes NULL on delivery. */
void io_uv_loop_complete(struct io_uv_loop *, struct io_op *, int status);
/* For the driver's own operations: ends a timer, or one that is queued for delivery, without
 * calling done. Harmless when op is not active. */
void io_uv_loop_forget(struct io_uv_loop *, struct io_op *);

void io_uv_loop_timer(struct io_uv_loop *, struct io_op *, int64_t at_ns);
void io_uv_loop_turn_end(struct io_uv_loop *, struct io_op *);
void io_uv_loop_wait_wake(struct io_uv_loop *, struct io_op *);
/* From any thread. */
void io_uv_loop_wake(struct io_uv_loop *);
/* For operations of this file: timers, turn ends, wake-ups. */
void io_uv_loop_cancel(struct io_uv_loop *, struct io_op *);
void io_uv_loop_cancel_all(struct io_uv_loop *);

/* A descriptor that libuv watches. What is wanted and what is polled are reconciled once a turn, so
 * a wait that is renewed in the same turn costs no system call; readability that nobody wants is
 * polled until it shows, then no longer. */
struct io_uv_watch {
    uv_poll_t poll;
    struct io_uv_loop *loop;
    /* Called outside of turns with io_ready bits that are wanted; may close the watch. */
    void (*ready)(struct io_uv_watch *, int events);
    /* The memory is the caller's again. */
    void (*closed)(struct io_uv_watch *);
    struct list dirty;
    int wanted, polled; /* io_ready bits */
    bool unwanted;      /* readiness has shown that nobody waits for */
};

/* ready and closed are set by the caller. SPATE_E... when fd cannot be watched. */
int io_uv_watch_init(struct io_uv_watch *, struct io_uv_loop *, int fd);
void io_uv_watch_want(struct io_uv_watch *, int events);
/* Stops polling at once, so that the descriptor may be closed; closed() is called later. */
void io_uv_watch_close(struct io_uv_watch *);

#endif
