/* Why a download brings nothing, in a sentence for people. */
#ifndef CLI_REASON_H
#define CLI_REASON_H

#include "spate.h"

/* Composes it from what the library says, the peers and the trackers. The text is of strangers: escape
 * and redact it. Returns out. */
const char *reason_compose(const struct spate_status *status,
                           const struct spate_tracker_status *trackers, unsigned tracker_count,
                           char *out, size_t size);

#endif
