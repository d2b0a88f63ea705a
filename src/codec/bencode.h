/* Bencoding (BEP 3): a strict reader that leaves an array of tokens over the caller's bytes, and a
 * writer.
 *
 * Strict means: integers fit in 64 bits and, like the lengths of texts, have no leading zero and no
 * "-0"; dictionary keys are texts. Keys may stand in any order and more than once, as real torrents
 * have them and libtorrent takes them: the first of equal keys counts. Nothing is ever encoded
 * again, so hashes are taken over the original bytes. */
#ifndef CODEC_BENCODE_H
#define CODEC_BENCODE_H

#include "base/bytes.h"
#include "spate.h"

/* One item: an integer, a text, or a list or dictionary, whose members follow it. */
struct bencode_token {
    uint32_t offset; /* of its first byte */
    uint32_t size;   /* bytes of its whole encoding */
    uint32_t next;   /* token after it and all that is inside it */
};

struct bencode {
    struct bencode_token *tokens; /* owned */
    uint32_t count;
    struct span bytes; /* the caller's; must outlive this */
};

enum bencode_type { BENCODE_ABSENT, BENCODE_INT, BENCODE_TEXT, BENCODE_LIST, BENCODE_DICT };

/* A place in the tree; a plain value. token UINT32_MAX: nothing is there, and asking it for
 * anything finds nothing. */
struct bencode_item {
    const struct bencode *tree;
    uint32_t token;
};

/* One item and nothing after it. Memory grows with what was really read. SPATE_EBENCODE with the
 * byte offset, SPATE_ELIMIT (tokens, depth, size), SPATE_ENOMEM; then there is nothing to free. */
int bencode_parse(struct bencode *, struct span bytes, uint32_t max_tokens, struct spate_error *);
/* One item at the front; *consumed is its size (BEP 9 appends data to a dictionary). */
int bencode_parse_prefix(struct bencode *, struct span bytes, uint32_t max_tokens, size_t *consumed,
                         struct spate_error *);
void bencode_deinit(struct bencode *);

struct bencode_item bencode_root(const struct bencode *);
enum bencode_type bencode_type(struct bencode_item);
/* The item as it stands in the input; empty when absent. */
struct span bencode_raw(struct bencode_item);
/* Where the item begins in the input; 0 when absent. */
uint64_t bencode_offset(struct bencode_item);

/* False, and *out unchanged, when the item is absent or of another type. */
bool bencode_int(struct bencode_item, int64_t *out);
bool bencode_text(struct bencode_item, struct span *out);

/* The value of a key; absent when there is none or the item is no dictionary. Linear in its keys.
 */
struct bencode_item bencode_dict_find(struct bencode_item, const char *key);
/* The same for a value of one type; a value of another type counts as absent. */
bool bencode_find_int(struct bencode_item, const char *key, int64_t *out);
bool bencode_find_text(struct bencode_item, const char *key, struct span *out);
struct bencode_item bencode_find_list(struct bencode_item, const char *key);
struct bencode_item bencode_find_dict(struct bencode_item, const char *key);

/* Walks the members of a list or dictionary; anything else has none. */
struct bencode_walk {
    const struct bencode *tree;
    uint32_t token, end;
};
struct bencode_walk bencode_walk_list(struct bencode_item);
struct bencode_walk bencode_walk_dict(struct bencode_item);
bool bencode_next(struct bencode_walk *, struct bencode_item *value);
/* For dictionaries, in the order of the input. */
bool bencode_next_pair(struct bencode_walk *, struct span *key, struct bencode_item *value);
/* Members of a list, or values of a dictionary; linear. */
uint32_t bencode_length(struct bencode_item);

/* Writes into caller's memory; out->failed tells at the end that it was too small. The caller
 * writes the keys of a dictionary as texts, in sorted order. */
struct bencode_writer {
    struct writer *out;
};
void bencode_write_dict(struct bencode_writer *);
void bencode_write_list(struct bencode_writer *);
/* Ends the innermost dictionary or list. */
void bencode_write_end(struct bencode_writer *);
void bencode_write_int(struct bencode_writer *, int64_t value);
void bencode_write_text(struct bencode_writer *, struct span text);
void bencode_write_key(struct bencode_writer *, const char *key);
/* Something that is bencoded already. */
void bencode_write_raw(struct bencode_writer *, struct span bencoded);

#endif
