/* parts - components beside the floors, each by itself over the whole payload:
 *
 *   parts hash PAYLOAD               one SHA-1 stream of OpenSSL, from memory, 1 MiB a message
 *   parts write PAYLOAD OUT          1 MiB a call into a new file's page cache
 *   parts write-allocated PAYLOAD OUT    the same after fallocate
 *
 * What is read is mapped before the work; the time of the process is nearly all work. */
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

enum { PIECE_BYTES = 1 << 20 };

static void hash(struct mapping payload)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const EVP_MD *sha1 = EVP_sha1();
    uint8_t digest[EVP_MAX_MD_SIZE];
    for (size_t at = 0; at < payload.size; at += PIECE_BYTES) {
        size_t left = payload.size - at;
        if (EVP_DigestInit_ex(context, sha1, NULL) != 1 ||
            EVP_DigestUpdate(context, payload.bytes + at,
                             left < PIECE_BYTES ? left : PIECE_BYTES) != 1 ||
            EVP_DigestFinal_ex(context, digest, NULL) != 1) {
            fail("sha1");
        }
    }
    EVP_MD_CTX_free(context);
}

/* Always the same megabyte: what it costs to read the payload is no part of writing. */
static void write_all(struct mapping payload, const char *path, bool allocate)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || (allocate && fallocate(fd, 0, 0, (off_t)payload.size) < 0)) {
        fail(path);
    }
    for (size_t at = 0; at < payload.size; at += PIECE_BYTES) {
        size_t left = payload.size - at;
        size_t bytes = left < PIECE_BYTES ? left : PIECE_BYTES;
        if (pwrite(fd, payload.bytes, bytes, (off_t)at) != (ssize_t)bytes) {
            fail(path);
        }
    }
    close(fd);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "hash") == 0) {
        hash(map_file(argv[2]));
    } else if (argc == 4 && strcmp(argv[1], "write") == 0) {
        write_all(map_file(argv[2]), argv[3], false);
    } else if (argc == 4 && strcmp(argv[1], "write-allocated") == 0) {
        write_all(map_file(argv[2]), argv[3], true);
    } else {
        errno = 0;
        fail("usage: parts hash PAYLOAD | write PAYLOAD OUT | write-allocated PAYLOAD OUT");
    }
    return 0;
}
