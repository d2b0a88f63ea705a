/* The open payload files of a session. The list is searched from its recent end: there are at most about
 * LIMIT_OPEN_FILES of them, and the file that is wanted is most often the one wanted last. */
#include "disk/open_files.h"

#include <pthread.h>
#include <stdlib.h>

struct open_files {
    pthread_mutex_t lock;
    struct list files; /* of open_file.link; most recently used first */
    uint32_t count, limit;
};

int open_files_create(uint32_t limit, struct open_files **out)
{
    struct open_files *files = calloc(1, sizeof *files);
    *out = files;
    if (!files) {
        return SPATE_ENOMEM;
    }
    files->limit = limit;
    list_init(&files->files);
    int rc = pthread_mutex_init(&files->lock, NULL);
    ASSERT(rc == 0);
    return 0;
}

void open_files_destroy(struct open_files *files)
{
    if (!files) {
        return;
    }
    ASSERT(list_empty(&files->files));
    pthread_mutex_destroy(&files->lock);
    free(files);
}

uint32_t open_files_count(struct open_files *files)
{
    pthread_mutex_lock(&files->lock);
    uint32_t count = files->count;
    pthread_mutex_unlock(&files->lock);
    return count;
}

/* Out of the table; nobody finds it any more. */
static void forget(struct open_files *files, struct open_file *f)
{
    list_remove(&f->link);
    f->closing = true;
    files->count--;
}

static void close_all(struct io_fs *fs, struct list *victims)
{
    struct list *node;
    while ((node = list_pop_front(victims))) {
        struct open_file *f = list_entry(node, struct open_file, link);
        io_fs_close(fs, f->file);
        free(f);
    }
}

static struct open_file *find(struct open_files *files, const void *owner, uint32_t index)
{
    list_for_each (node, &files->files) {
        struct open_file *f = list_entry(node, struct open_file, link);
        if (f->owner == owner && f->index == index) {
            return f;
        }
    }
    return NULL;
}

static struct open_file *reference(struct open_files *files, struct open_file *f)
{
    f->references++;
    list_remove(&f->link);
    list_push_front(&files->files, &f->link);
    return f;
}

struct open_file *open_files_get(struct open_files *files, const void *owner, uint32_t index,
                                 bool write)
{
    pthread_mutex_lock(&files->lock);
    struct open_file *f = find(files, owner, index);
    if (f) {
        f = write && !f->writable ? NULL : reference(files, f);
    }
    pthread_mutex_unlock(&files->lock);
    return f;
}

/* Moves files that nobody uses to victims, the least recently used first, until only keep are left. */
static void evict(struct open_files *files, uint32_t keep, struct list *victims)
{
    for (struct list *node = files->files.prev; node != &files->files && files->count > keep;) {
        struct open_file *f = list_entry(node, struct open_file, link);
        node = node->prev;
        if (f->references == 0) {
            forget(files, f);
            list_push_back(victims, &f->link);
        }
    }
}

struct open_file *open_files_add(struct open_files *files, struct io_fs *fs, const void *owner,
                                 uint32_t index, struct io_file *file, bool writable)
{
    struct open_file *f = malloc(sizeof *f);
    if (!f) {
        io_fs_close(fs, file);
        return NULL;
    }
    *f = (struct open_file){.file = file, .writable = writable, .owner = owner, .index = index};
    list_init(&f->link);
    struct list victims;
    list_init(&victims);

    pthread_mutex_lock(&files->lock);
    struct open_file *other = find(files, owner, index);
    if (other && (other->writable || !writable)) {
        /* Another worker opened it meanwhile. */
        list_push_back(&victims, &f->link);
        f = reference(files, other);
    } else {
        if (other) {
            bool used = other->references > 0;
            forget(files, other);
            if (!used) {
                list_push_back(&victims, &other->link);
            }
        }
        evict(files, files->limit > 0 ? files->limit - 1 : 0, &victims);
        files->count++;
        f = reference(files, f);
    }
    pthread_mutex_unlock(&files->lock);
    close_all(fs, &victims);
    return f;
}

void open_files_put(struct open_files *files, struct io_fs *fs, struct open_file *f)
{
    if (!f) {
        return;
    }
    pthread_mutex_lock(&files->lock);
    ASSERT(f->references > 0);
    bool last = --f->references == 0 && f->closing;
    pthread_mutex_unlock(&files->lock);
    if (last) {
        io_fs_close(fs, f->file);
        free(f);
    }
}

void open_files_close(struct open_files *files, struct io_fs *fs, const void *owner)
{
    struct list victims;
    list_init(&victims);
    pthread_mutex_lock(&files->lock);
    list_for_each_safe (node, &files->files) {
        struct open_file *f = list_entry(node, struct open_file, link);
        bool used = f->references > 0;
        if (owner ? f->owner == owner : !used) {
            forget(files, f);
            if (!used) {
                list_push_back(&victims, &f->link);
            }
        }
    }
    pthread_mutex_unlock(&files->lock);
    close_all(fs, &victims);
}
