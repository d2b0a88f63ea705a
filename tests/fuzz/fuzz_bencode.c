/* Bencoding (BEP 3): what parses is a tree whose items lie inside each other, every way of asking it stays
 * inside the input, and what it says, written again and parsed again, is the same. */
#include "codec/bencode.h"

#include "base/error.h"
#include "base/limits.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_tokens(const struct bencode *tree, size_t consumed)
{
    for (uint32_t i = 0; i < tree->count; i++) {
        const struct bencode_token *t = &tree->tokens[i];
        ASSERT(t->offset + t->size <= consumed && t->next > i && t->next <= tree->count);
        for (uint32_t child = i + 1; child < t->next; child = tree->tokens[child].next) {
            ASSERT(tree->tokens[child].offset > t->offset);
            ASSERT(tree->tokens[child].offset + tree->tokens[child].size < t->offset + t->size);
        }
    }
}

static void write_members(struct bencode_writer *w, struct bencode_item item);

static void write_item(struct bencode_writer *w, struct bencode_item item)
{
    int64_t number;
    struct span text;
    if (bencode_int(item, &number)) {
        bencode_write_int(w, number);
    } else if (bencode_text(item, &text)) {
        bencode_write_text(w, text);
    } else {
        write_members(w, item);
    }
}

static void write_members(struct bencode_writer *w, struct bencode_item item)
{
    struct bencode_item member;
    struct span key;
    if (bencode_type(item) == BENCODE_LIST) {
        struct bencode_walk walk = bencode_walk_list(item);
        bencode_write_list(w);
        while (bencode_next(&walk, &member)) {
            write_item(w, member);
        }
    } else {
        struct bencode_walk walk = bencode_walk_dict(item);
        bencode_write_dict(w);
        while (bencode_next_pair(&walk, &key, &member)) {
            bencode_write_text(w, key);
            write_item(w, member);
        }
    }
    bencode_write_end(w);
}

static void ask(struct bencode_item item)
{
    static const char *const keys[] = {"a", "info", "", "x"};
    int64_t number = 0;
    struct span text = {0};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct bencode_item found = bencode_dict_find(item, keys[i]);
        enum bencode_type type = bencode_type(found);
        ASSERT(bencode_find_int(item, keys[i], &number) == (type == BENCODE_INT));
        ASSERT(bencode_find_text(item, keys[i], &text) == (type == BENCODE_TEXT));
        ASSERT((bencode_type(bencode_find_list(item, keys[i])) == BENCODE_LIST) ==
               (type == BENCODE_LIST));
        ASSERT((bencode_type(bencode_find_dict(item, keys[i])) == BENCODE_DICT) ==
               (type == BENCODE_DICT));
        ASSERT(bencode_raw(found).size >= 2 || type == BENCODE_ABSENT);
        ASSERT(bencode_length(found) <= bencode_raw(found).size);
        ASSERT(bencode_offset(found) > 0 || type == BENCODE_ABSENT);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bencode tree, again;
    struct spate_error error = {.size = sizeof error};
    size_t consumed;
    struct span bytes = span_of(data, size);
    bool whole = bencode_parse(&tree, bytes, 200, &error) == 0;
    if (whole) {
        bencode_deinit(&tree);
    } else {
        ASSERT(error.code < 0 && error.offset <= size && error.text[0]);
    }
    if (bencode_parse_prefix(&tree, bytes, 200, &consumed, NULL)) {
        ASSERT(!whole);
        ASSERT(bencode_type(bencode_root(&tree)) == BENCODE_ABSENT);
        return 0;
    }
    ASSERT(consumed <= size && whole == (consumed == size));
    check_tokens(&tree, consumed);
    ask(bencode_root(&tree));
    struct writer out = writer_over(malloc(consumed), consumed);
    struct bencode_writer w = {&out};
    write_item(&w, bencode_root(&tree));
    /* The reader is so strict that there is one way to write each tree. */
    ASSERT(!out.failed && out.size == consumed && memcmp(out.bytes, data, consumed) == 0);
    out.size = 0;
    bencode_write_raw(&w, bencode_raw(bencode_root(&tree)));
    ASSERT(bencode_parse(&again, span_of(out.bytes, out.size), 200, NULL) == 0);
    bencode_deinit(&again);
    free(out.bytes);
    bencode_deinit(&tree);
    return 0;
}
