/* libcurl's sockets and timer on our loop. What a transfer is, io_uv_http.h says. */
#ifndef IO_UV_IO_UV_CURL_H
#define IO_UV_IO_UV_CURL_H

#include "io/uv/io_uv_loop.h"

#include <curl/curl.h>

struct io_uv_curl {
    struct io_uv_loop *loop;
    CURLM *multi;       /* NULL until it is started */
    struct io_op timer; /* when libcurl wants to be called */
    /* A transfer has come to its end; may remove it and add others. */
    void (*done)(CURL *, CURLcode);
};

void io_uv_curl_init(struct io_uv_curl *, struct io_uv_loop *, void (*done)(CURL *, CURLcode));
/* No transfer may be left. The loop must run once more before *curl is freed. */
void io_uv_curl_deinit(struct io_uv_curl *);

/* Before the first transfer; harmless when it has been started. SPATE_ENOMEM. */
int io_uv_curl_start(struct io_uv_curl *);
/* Begins a transfer; SPATE_ENOMEM. */
int io_uv_curl_add(struct io_uv_curl *, CURL *);
/* Breaks a transfer off, if it is one, and frees the handle. Not from inside libcurl's callbacks. */
void io_uv_curl_remove(struct io_uv_curl *, CURL *);

#endif
