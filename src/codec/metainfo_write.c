/* Writing v1 torrent files: BEP 3, announce-list (BEP 12) when there is more than one tracker, url-list
 * (BEP 19), private (BEP 27). Keys stand in sorted order, so that others who encode again get the same
 * info-hash. */
#include "codec/metainfo_write.h"

#include "codec/bencode.h"
#include "crypto/sha.h"

enum {
    FIXED_BYTES = 512, /* all keys of a torrent, its numbers, and the lengths of its texts */
    FILE_BYTES = 64,   /* those of one file */
    TEXT_BYTES = 24,   /* around one text in a list or path: its length, and a list around it */
};

static size_t text_bound(const char *text)
{
    return text ? strlen(text) + TEXT_BYTES : 0;
}

size_t metainfo_write_bound(const struct metainfo_draft *d)
{
    size_t size = FIXED_BYTES + text_bound(d->name) + text_bound(d->comment) +
                  text_bound(d->created_by) + (size_t)d->piece_count * SHA1_BYTES;
    for (uint32_t i = 0; i < d->file_count; i++) {
        /* An element takes its length, and a path of n bytes has at most n / 2 + 1 of them. */
        size += FILE_BYTES + (d->single_file ? 0 : 3 * strlen(d->files[i].path) + TEXT_BYTES);
    }
    for (uint32_t i = 0; i < d->tracker_count; i++) {
        size += 2 * text_bound(d->trackers[i].url);
    }
    for (uint32_t i = 0; i < d->web_seed_count; i++) {
        size += text_bound(d->web_seeds[i]);
    }
    return size;
}

static void write_path(struct bencode_writer *w, const char *path)
{
    bencode_write_list(w);
    for (;;) {
        size_t length = strcspn(path, "/");
        bencode_write_text(w, span_of(path, length));
        if (path[length] == 0) {
            break;
        }
        path += length + 1;
    }
    bencode_write_end(w);
}

static void write_files(struct bencode_writer *w, const struct metainfo_draft *d)
{
    if (d->single_file) {
        bencode_write_key(w, "length");
        bencode_write_int(w, (int64_t)d->files[0].length);
        return;
    }
    bencode_write_key(w, "files");
    bencode_write_list(w);
    for (uint32_t i = 0; i < d->file_count; i++) {
        bencode_write_dict(w);
        bencode_write_key(w, "length");
        bencode_write_int(w, (int64_t)d->files[i].length);
        bencode_write_key(w, "path");
        write_path(w, d->files[i].path);
        bencode_write_end(w);
    }
    bencode_write_end(w);
}

static void write_info(struct bencode_writer *w, const struct metainfo_draft *d)
{
    bencode_write_dict(w);
    write_files(w, d);
    bencode_write_key(w, "name");
    bencode_write_text(w, span_text(d->name));
    bencode_write_key(w, "piece length");
    bencode_write_int(w, d->piece_length);
    bencode_write_key(w, "pieces");
    bencode_write_text(w, span_of(d->piece_hashes, (size_t)d->piece_count * SHA1_BYTES));
    if (d->is_private) {
        bencode_write_key(w, "private");
        bencode_write_int(w, 1);
    }
    bencode_write_end(w);
}

static void write_trackers(struct bencode_writer *w, const struct metainfo_draft *d)
{
    if (d->tracker_count == 0) {
        return;
    }
    bencode_write_key(w, "announce");
    bencode_write_text(w, span_text(d->trackers[0].url));
    if (d->tracker_count == 1) {
        return;
    }
    bencode_write_key(w, "announce-list");
    bencode_write_list(w);
    for (uint32_t i = 0; i < d->tracker_count; i++) {
        if (i == 0 || d->trackers[i].tier != d->trackers[i - 1].tier) {
            bencode_write_list(w);
        }
        bencode_write_text(w, span_text(d->trackers[i].url));
        if (i + 1 == d->tracker_count || d->trackers[i].tier != d->trackers[i + 1].tier) {
            bencode_write_end(w);
        }
    }
    bencode_write_end(w);
}

static void write_web_seeds(struct bencode_writer *w, const struct metainfo_draft *d)
{
    if (d->web_seed_count == 0) {
        return;
    }
    bencode_write_key(w, "url-list");
    bencode_write_list(w);
    for (uint32_t i = 0; i < d->web_seed_count; i++) {
        bencode_write_text(w, span_text(d->web_seeds[i]));
    }
    bencode_write_end(w);
}

static void write_text(struct bencode_writer *w, const char *key, const char *text)
{
    if (text) {
        bencode_write_key(w, key);
        bencode_write_text(w, span_text(text));
    }
}

void metainfo_write(const struct metainfo_draft *d, struct writer *out)
{
    struct bencode_writer writer = {out}, *w = &writer;
    bencode_write_dict(w);
    write_trackers(w, d);
    write_text(w, "comment", d->comment);
    write_text(w, "created by", d->created_by);
    if (d->creation_date >= 0) {
        bencode_write_key(w, "creation date");
        bencode_write_int(w, d->creation_date);
    }
    bencode_write_key(w, "info");
    write_info(w, d);
    write_web_seeds(w, d);
    bencode_write_end(w);
}
