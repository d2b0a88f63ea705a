/* A main for fuzz targets without libFuzzer: runs every file of a corpus, and then, always in the same way,
 * a number of mutations of them. Each input is copied to memory of exactly its size, so that reading past
 * its end is seen.
 *
 *   smoke_NAME CORPUS [MUTATIONS] */
#include "base/dice.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUTS_MAX = 100000, INPUT_BYTES_MAX = 1 << 20, GROWTH_BYTES_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    uint8_t *bytes;
    size_t size;
};

struct corpus {
    struct input *inputs;
    size_t count;
};

static void run(const uint8_t *bytes, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact) {
        exit(2);
    }
    if (size > 0) {
        memcpy(exact, bytes, size);
    }
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static void read_input(struct corpus *c, const char *directory, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        return;
    }
    struct input *input = &c->inputs[c->count];
    input->bytes = malloc(INPUT_BYTES_MAX);
    if (!input->bytes) {
        exit(2);
    }
    input->size = fread(input->bytes, 1, INPUT_BYTES_MAX, file);
    fclose(file);
    uint8_t *fitting = realloc(input->bytes, input->size + 1);
    input->bytes = fitting ? fitting : input->bytes;
    c->count++;
}

static int by_content(const void *left, const void *right)
{
    const struct input *a = left, *b = right;
    size_t common = a->size < b->size ? a->size : b->size;
    int order = memcmp(a->bytes, b->bytes, common);
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

static void read_corpus(struct corpus *c, const char *name)
{
    DIR *directory = opendir(name);
    c->inputs = calloc(INPUTS_MAX, sizeof *c->inputs);
    if (!directory || !c->inputs) {
        fprintf(stderr, "smoke: cannot read the corpus %s\n", name);
        exit(2);
    }
    for (struct dirent *entry; c->count < INPUTS_MAX && (entry = readdir(directory));) {
        if (entry->d_name[0] != '.') {
            read_input(c, name, entry->d_name);
        }
    }
    closedir(directory);
    if (c->count == 0) {
        fprintf(stderr, "smoke: the corpus %s is empty\n", name);
        exit(2);
    }
    /* Not in the order of the directory, which differs between machines. */
    qsort(c->inputs, c->count, sizeof *c->inputs, by_content);
}

/* One change to bytes, which have room for GROWTH_BYTES_MAX more; returns the new size. */
static size_t change(uint8_t *bytes, size_t size, const struct input *other, struct dice *dice)
{
    static const char interesting[] = "0123456789-:eidl/.%&=?\xff\x80\x7f";
    size_t at = size ? dice_below(dice, (uint32_t)size) : 0;
    size_t n = 1 + dice_below(dice, 8);
    switch (dice_below(dice, 6)) {
    case 0: /* a bit */
        if (size > 0) {
            bytes[at] ^= (uint8_t)(1 << dice_below(dice, 8));
        }
        return size;
    case 1: /* a byte that means something to parsers of text */
        if (size > 0) {
            bytes[at] = (uint8_t)interesting[dice_below(dice, sizeof interesting - 1)];
        }
        return size;
    case 2: /* the end is lost */
        return dice_below(dice, 8) ? size : at;
    case 3: /* some bytes are lost */
        n = n < size - at ? n : size - at;
        memmove(bytes + at, bytes + at + n, size - at - n);
        return size - n;
    case 4: /* some bytes come twice */
        n = n < size - at ? n : size - at;
        memmove(bytes + at + n, bytes + at, size - at);
        return size + n;
    default: /* some bytes are those of another input */
        if (other->size > 0 && size > 0) {
            size_t from = dice_below(dice, (uint32_t)other->size);
            n = n < size - at ? n : size - at;
            n = n < other->size - from ? n : other->size - from;
            memcpy(bytes + at, other->bytes + from, n);
        }
        return size;
    }
}

static void run_mutations(const struct corpus *c, unsigned long count)
{
    uint8_t *bytes = malloc(INPUT_BYTES_MAX + GROWTH_BYTES_MAX);
    struct dice dice;
    dice_init(&dice, 1);
    for (unsigned long i = 0; i < count && bytes; i++) {
        const struct input *input = &c->inputs[dice_below(&dice, (uint32_t)c->count)];
        size_t size = input->size;
        memcpy(bytes, input->bytes, size);
        for (uint32_t changes = 1 + dice_below(&dice, 6); changes > 0; changes--) {
            const struct input *other = &c->inputs[dice_below(&dice, (uint32_t)c->count)];
            size = change(bytes, size, other, &dice);
        }
        run(bytes, size);
    }
    free(bytes);
}

int main(int argc, char **argv)
{
    struct corpus corpus = {0};
    if (argc < 2) {
        fprintf(stderr, "usage: %s CORPUS [MUTATIONS]\n", argv[0]);
        return 2;
    }
    read_corpus(&corpus, argv[1]);
    for (size_t i = 0; i < corpus.count; i++) {
        run(corpus.inputs[i].bytes, corpus.inputs[i].size);
    }
    run_mutations(&corpus, argc > 2 ? strtoul(argv[2], NULL, 10) : 0);
    for (size_t i = 0; i < corpus.count; i++) {
        free(corpus.inputs[i].bytes);
    }
    free(corpus.inputs);
    return 0;
}
