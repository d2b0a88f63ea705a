/* What the files that read a torrent share: metainfo.c begins and ends, metainfo_files.c reads the
 * file list of v1, metainfo_v2.c the file tree and piece layers of v2. */
#ifndef CODEC_METAINFO_BUILD_H
#define CODEC_METAINFO_BUILD_H

#include "codec/bencode.h"
#include "codec/metainfo.h"

struct metainfo_build {
    struct metainfo *m;
    struct bencode_item root, info;
    struct spate_error *error;
    uint32_t file_capacity;    /* room in m->files */
    struct span *elements;     /* room for path elements: the next free one ... */
    struct span *elements_end; /* ... and their end */
};

/* Fills *error with SPATE_EMETAINFO and the item's place, and returns it. */
int metainfo_refuse(const struct metainfo_build *, struct bencode_item where, const char *what);
int metainfo_no_memory(const struct metainfo_build *);

/* Room for so many files and path elements. SPATE_ENOMEM, SPATE_ELIMIT. */
int metainfo_make_room(struct metainfo_build *, uint64_t files, uint64_t elements);
/* Adds a file at the end of the piece space. SPATE_ELIMIT when the torrent grows too long. */
int metainfo_add_file(struct metainfo_build *, struct bencode_item where, struct metainfo_file);
/* Flags of the attr key (BEP 47); unknown letters are ignored. */
uint32_t metainfo_flags(struct bencode_item dict);
/* The length key of a file with these flags. */
int metainfo_length(const struct metainfo_build *, struct bencode_item dict, uint32_t flags,
                    uint64_t *length);
/* Copies a list of path elements into the room made for them. */
int metainfo_copy_path(struct metainfo_build *, struct bencode_item list,
                       const struct span **elements, uint32_t *count);

/* The files of v1, from "files" or "length". */
int metainfo_read_files(struct metainfo_build *);
/* The files of a torrent that is v2 only, from "file tree"; the gaps before aligned files become
 * padding. */
int metainfo_read_tree(struct metainfo_build *);
/* A hybrid's file tree against its v1 files, which take their pieces_root from it. */
int metainfo_match_tree(struct metainfo_build *);
/* "piece layers", each hash chain up to its file's root. Files whose layer is absent are not
 * faulted: it can be asked of peers. */
int metainfo_check_layers(struct metainfo_build *);

#endif
