/* What BEP 52 adds to a torrent file: the file tree inside the info dictionary, and the piece
 * layers beside it, each of which must hash up to the root that the tree names. */
#include "base/error.h"
#include "base/limits.h"
#include "base/map.h"
#include "codec/metainfo_build.h"
#include "crypto/sha.h"

#include <inttypes.h>

enum { LEAF_BYTES = 16 << 10 }; /* what one leaf hash covers (BEP 52, "pieces root") */

/* A walk over the files of the tree, in its order. A level of the tree is a level of the bencoding,
 * so its depth is bounded already. */
struct tree_walk {
    const struct metainfo_build *b;
    struct bencode_walk level[LIMIT_BENCODE_DEPTH];
    struct span name[LIMIT_BENCODE_DEPTH]; /* the path */
    uint32_t depth;                        /* open levels */
    uint32_t path_length;                  /* elements of the path of the file last found */
    struct bencode_item file;              /* its properties */
};

static int tree_start(struct tree_walk *w, const struct metainfo_build *b)
{
    struct bencode_item tree = bencode_find_dict(b->info, "file tree");
    *w = (struct tree_walk){.b = b, .depth = 1};
    if (bencode_type(tree) == BENCODE_ABSENT) {
        return metainfo_refuse(b, b->info, "a v2 torrent without a file tree");
    }
    w->level[0] = bencode_walk_dict(tree);
    return 0;
}

/* An entry of the tree is a file when it holds the empty key, and then nothing else. 1: it is a
 * file. */
static int tree_enter(struct tree_walk *w, struct bencode_item entry)
{
    struct bencode_item file = bencode_dict_find(entry, "");
    if (bencode_type(entry) != BENCODE_DICT) {
        return metainfo_refuse(w->b, entry, "an entry of the file tree is no dictionary");
    }
    if (bencode_type(file) == BENCODE_ABSENT) {
        ASSERT(w->depth < LIMIT_BENCODE_DEPTH);
        w->level[w->depth++] = bencode_walk_dict(entry);
        return 0;
    }
    if (bencode_type(file) != BENCODE_DICT || bencode_length(entry) != 1) {
        return metainfo_refuse(w->b, entry,
                               "an entry of the file tree is neither file nor directory");
    }
    w->path_length = w->depth;
    w->file = file;
    return 1;
}

/* 1: the next file is in *w; 0: there is none; <0: the tree is broken. */
static int tree_next(struct tree_walk *w)
{
    while (w->depth > 0) {
        struct span key;
        struct bencode_item entry;
        if (!bencode_next_pair(&w->level[w->depth - 1], &key, &entry)) {
            w->depth--;
            continue;
        }
        if (key.size == 0) {
            return metainfo_refuse(w->b, entry, "the root of the file tree is a file");
        }
        if (key.size > LIMIT_PATH_ELEMENT_BYTES) {
            return error_set(w->b->error, SPATE_ELIMIT, bencode_offset(entry),
                             "a path element is longer than %u bytes", LIMIT_PATH_ELEMENT_BYTES);
        }
        w->name[w->depth - 1] = key;
        int found = tree_enter(w, entry);
        if (found) {
            return found;
        }
    }
    return 0;
}

static int read_leaf(struct tree_walk *w, struct metainfo_file *file)
{
    const struct metainfo_build *b = w->b;
    struct span root;
    *file = (struct metainfo_file){.flags = metainfo_flags(w->file) & ~(uint32_t)METAINFO_FILE_PAD};
    int failed = metainfo_length(b, w->file, file->flags, &file->length);
    if (failed || file->length == 0) {
        return failed;
    }
    if (!bencode_find_text(w->file, "pieces root", &root) || root.size != SHA256_BYTES) {
        return metainfo_refuse(b, w->file, "a file of the tree has no valid pieces root");
    }
    file->pieces_root = root.bytes;
    return 0;
}

/* Each file begins at a piece (BEP 52, "piece length"): the gap before it becomes padding, as in a
 * hybrid. */
static int add_gap(struct metainfo_build *b, struct bencode_item where)
{
    uint64_t over = b->m->total_length % b->m->piece_length;
    struct metainfo_file gap = {.flags = METAINFO_FILE_PAD, .length = b->m->piece_length - over};
    return over ? metainfo_add_file(b, where, gap) : 0;
}

static int add_leaf(struct metainfo_build *b, struct tree_walk *w)
{
    struct metainfo_file file;
    int failed = read_leaf(w, &file);
    if (!failed && file.length > 0) {
        failed = add_gap(b, w->file);
    }
    if (failed) {
        return failed;
    }
    ASSERT(b->elements_end - b->elements >= (ptrdiff_t)w->path_length);
    file.elements = b->elements;
    file.element_count = w->path_length;
    memcpy(b->elements, w->name, w->path_length * sizeof *w->name);
    b->elements += w->path_length;
    if (file.flags & METAINFO_FILE_SYMLINK) {
        failed = metainfo_copy_path(b, bencode_find_list(w->file, "symlink path"), &file.link,
                                    &file.link_count);
    }
    return failed ? failed : metainfo_add_file(b, w->file, file);
}

int metainfo_read_tree(struct metainfo_build *b)
{
    struct metainfo *m = b->m;
    struct tree_walk w;
    uint64_t files = 0, elements = 0;
    int found = tree_start(&w, b);
    if (found) {
        return found;
    }
    while ((found = tree_next(&w)) == 1) {
        files++;
        elements += w.path_length + bencode_length(bencode_find_list(w.file, "symlink path"));
        m->single_file = files == 1 && w.path_length == 1 && span_equals(w.name[0], m->raw_name);
    }
    if (found) {
        return found;
    }
    if (files == 0) {
        return metainfo_refuse(b, b->info, "the torrent has no files");
    }
    found = metainfo_make_room(b, files, elements);
    if (!found) {
        found = tree_start(&w, b);
    }
    while (!found && (found = tree_next(&w)) == 1) {
        found = add_leaf(b, &w);
    }
    return found;
}

static bool same_path(const struct tree_walk *w, const struct metainfo_file *file)
{
    if (file->element_count != w->path_length) {
        return false;
    }
    for (uint32_t i = 0; i < w->path_length; i++) {
        if (!span_equals(file->elements[i], w->name[i])) {
            return false;
        }
    }
    return true;
}

int metainfo_match_tree(struct metainfo_build *b)
{
    struct metainfo *m = b->m;
    struct tree_walk w;
    uint32_t index = 0;
    int found = tree_start(&w, b);
    if (found) {
        return found;
    }
    while ((found = tree_next(&w)) == 1) {
        struct metainfo_file leaf;
        int failed = read_leaf(&w, &leaf);
        if (failed) {
            return failed;
        }
        if (index == m->listed_count) {
            return metainfo_refuse(b, w.file, "the v2 part has a file that the v1 part has not");
        }
        struct metainfo_file *file = &m->files[m->listed[index++]];
        if (!same_path(&w, file) || file->length != leaf.length ||
            (file->length > 0 && file->offset % m->piece_length != 0)) {
            return metainfo_refuse(b, w.file, "the v1 and v2 parts disagree about a file");
        }
        file->pieces_root = leaf.pieces_root;
    }
    if (!found && index < m->listed_count) {
        return metainfo_refuse(b, b->info, "the v1 part has a file that the v2 part has not");
    }
    return found;
}

/* ---- piece layers ---------------------------------------------------------------------------- */

static void hash_pair(const uint8_t left[SHA256_BYTES], const uint8_t right[SHA256_BYTES],
                      uint8_t out[SHA256_BYTES])
{
    struct sha256 state;
    sha256_init(&state);
    sha256_update(&state, left, SHA256_BYTES);
    sha256_update(&state, right, SHA256_BYTES);
    sha256_final(&state, out);
}

/* The root over a layer of count > 0 hashes that each cover piece_length bytes. What is missing for
 * a full tree stands for leaves of zeroes. stack[i] is a complete subtree of 2^i hashes when bit i
 * of the number of hashes taken is set. */
static void layer_root(const uint8_t *hashes, uint64_t count, uint32_t piece_length,
                       uint8_t root[SHA256_BYTES])
{
    uint8_t stack[64][SHA256_BYTES];
    uint8_t pad[SHA256_BYTES] = {0};
    for (uint32_t covered = LEAF_BYTES; covered < piece_length; covered *= 2) {
        hash_pair(pad, pad, pad);
    }
    for (uint64_t i = 0; i < count; i++) {
        uint8_t node[SHA256_BYTES];
        int level = 0;
        memcpy(node, hashes + i * SHA256_BYTES, SHA256_BYTES);
        for (; (i >> level) & 1; level++) {
            hash_pair(stack[level], node, node);
        }
        memcpy(stack[level], node, SHA256_BYTES);
    }
    bool carrying =
        false; /* root holds a subtree that ends at the last hash, filled up with padding */
    int level = 0;
    for (; (UINT64_C(1) << level) < count; level++) {
        bool complete = (count >> level) & 1;
        if (complete) {
            hash_pair(stack[level], carrying ? root : pad, root);
            carrying = true;
        } else if (carrying) {
            hash_pair(root, pad, root);
        }
        hash_pair(pad, pad, pad);
    }
    if (!carrying) {
        memcpy(root, stack[level], SHA256_BYTES);
    }
}

/* Files by their root; those of one piece have no layer. Equal files share a root, and a length. */
static int map_roots(const struct metainfo_build *b, struct map *roots)
{
    const struct metainfo *m = b->m;
    for (uint32_t i = 0; i < m->file_count; i++) {
        struct metainfo_file *file = &m->files[i];
        if (!file->pieces_root || file->length <= m->piece_length) {
            continue;
        }
        const struct metainfo_file *other = map_get(roots, file->pieces_root);
        if (other && other->length != file->length) {
            return metainfo_refuse(b, b->info, "files of different lengths have one pieces root");
        }
        if (!other && map_put(roots, file->pieces_root, file)) {
            return metainfo_no_memory(b);
        }
    }
    return 0;
}

static int check_layer(const struct metainfo_build *b, const struct map *roots, struct span key,
                       struct bencode_item value)
{
    struct span layer;
    uint8_t root[SHA256_BYTES] = {0};
    const struct metainfo_file *file = key.size == SHA256_BYTES ? map_get(roots, key.bytes) : NULL;
    if (!file) {
        return metainfo_refuse(b, value, "a piece layer of no file");
    }
    uint64_t count = (file->length - 1) / b->m->piece_length + 1;
    if (!bencode_text(value, &layer) || layer.size != count * SHA256_BYTES) {
        return metainfo_refuse(b, value, "a piece layer of the wrong size");
    }
    layer_root(layer.bytes, count, b->m->piece_length, root);
    if (memcmp(root, file->pieces_root, sizeof root) != 0) {
        return metainfo_refuse(b, value, "a piece layer that does not match its file's root");
    }
    return 0;
}

int metainfo_check_layers(struct metainfo_build *b)
{
    struct bencode_item layers = bencode_dict_find(b->root, "piece layers");
    if (bencode_type(layers) == BENCODE_ABSENT) {
        return 0;
    }
    if (bencode_type(layers) != BENCODE_DICT) {
        return metainfo_refuse(b, layers, "the piece layers are no dictionary");
    }
    /* Roots are chosen by whoever made the torrent, but not after its hash is known. */
    uint64_t seed[2];
    memcpy(seed, b->m->info_hash_v2, sizeof seed);
    struct map roots;
    map_init(&roots, SHA256_BYTES, seed);
    int failed = map_roots(b, &roots);
    struct bencode_walk w = bencode_walk_dict(layers);
    struct span key;
    for (struct bencode_item value; !failed && bencode_next_pair(&w, &key, &value);) {
        failed = check_layer(b, &roots, key, value);
    }
    map_deinit(&roots);
    return failed;
}
