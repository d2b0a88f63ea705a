/* A guest program that has functions of its own by names that libspate uses inside: linked with the
 * archive or with the shared library, each side must keep calling its own. */
#include <spate.h>

#include <stdio.h>
#include <string.h>

static int calls;

int sha1_init(void *unused);
int map_get(void *unused);

int sha1_init(void *unused)
{
    (void)unused;
    calls++;
    return 41;
}

int map_get(void *unused)
{
    (void)unused;
    calls++;
    return 42;
}

int main(void)
{
    /* A small torrent: parsing it hashes its info dictionary, inside, with the library's sha1_init.
     */
    static const char torrent[] =
        "d4:infod6:lengthi5e4:name5:hello12:piece lengthi16384e6:pieces20:"
        "aaaaaaaaaaaaaaaaaaaaee";
    static const uint8_t expected[20] = {0x96, 0x1d, 0x86, 0xb2, 0xd5, 0x65, 0xbb,
                                         0x5c, 0xfd, 0x7d, 0x64, 0x81, 0xf2, 0x2e,
                                         0x4d, 0x3f, 0xf5, 0x41, 0xc8, 0x06};
    struct spate_error error = {.size = sizeof(error)};
    struct spate_metainfo_info info = {.size = sizeof(info)};
    spate_metainfo *metainfo = NULL;
    if (spate_metainfo_parse(torrent, sizeof(torrent) - 1, &metainfo, &error) < 0) {
        fprintf(stderr, "guest: %s\n", error.text);
        return 1;
    }
    spate_metainfo_info(metainfo, &info);
    if (memcmp(info.info_hash, expected, sizeof(expected)) != 0) {
        fputs("guest: the info-hash is wrong\n", stderr);
        return 1;
    }
    spate_metainfo_free(metainfo);
    if (calls != 0) {
        fputs("guest: the library called a function of the guest\n", stderr);
        return 1;
    }
    if (sha1_init(NULL) != 41 || map_get(NULL) != 42 || calls != 2) {
        fputs("guest: the guest called a function of the library\n", stderr);
        return 1;
    }
    return strcmp(spate_version(), "0.1.0") == 0 ? 0 : 1;
}
