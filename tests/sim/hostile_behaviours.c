/* What strangers do, one rule broken a row. The torrent they meet has HOSTILE_PIECES pieces of HOSTILE_PIECE_BYTES, the
 * last one short: numbers in the bytes below count on it. */
#include "hostile.h"

#include "codec/wire.h"

#include <string.h>

enum {
    PIECES = HOSTILE_PIECES,
    PIECE = HOSTILE_PIECE_BYTES,
    LAST_PIECE = PIECE - PIECE / 3,
    BLOCK = 16384,
};

#define BYTES(text) .bytes = text, .size = sizeof(text) - 1

#define LENGTH_REASON  "message of a wrong length"
#define TIMEOUT_REASON "no handshake in time"

/* ---- handshakes ------------------------------------------------------------------------------- */

static void shake_with_another_torrent(struct hostile_conn *c, enum hostile_moment m,
                                       const struct hostile_message *message)
{
    (void)message;
    if (m == HOSTILE_BEGIN) {
        hostile_shake(c, true, false);
    }
}

static void mirror(struct hostile_conn *c, enum hostile_moment m,
                   const struct hostile_message *message)
{
    (void)message;
    if (m == HOSTILE_TICK && (*hostile_counter(c))++ == 5) {
        hostile_shake(c, false, true);
    }
}

static void drip_a_handshake(struct hostile_conn *c, enum hostile_moment m,
                             const struct hostile_message *message)
{
    static const char start[] = "\023BitTorrent protocol\0\0\0\0\0\0\0\0aaaaaaaaaaaaaaaaaaaa";
    uint32_t *ticks = hostile_counter(c);
    (void)message;
    if (m == HOSTILE_TICK && ++*ticks % 10 == 0 && *ticks / 10 < sizeof start) {
        hostile_say(c, &start[*ticks / 10 - 1], 1);
    }
}

static void speak_noise(struct hostile_conn *c, enum hostile_moment m,
                        const struct hostile_message *message)
{
    uint8_t noise[400];
    (void)message;
    if (m == HOSTILE_BEGIN) {
        for (size_t i = 0; i < sizeof noise; i++) {
            noise[i] = (uint8_t)(hostile_roll(c, 255) + 20);
        }
        hostile_say(c, noise, sizeof noise);
    }
}

/* ---- bitfields and haves ---------------------------------------------------------------------- */

static void change_its_mind(struct hostile_conn *c, enum hostile_moment m,
                            const struct hostile_message *message)
{
    (void)message;
    if (m == HOSTILE_TICK) {
        hostile_say_plain(c, hostile_roll(c, 2) ? WIRE_HAVE_ALL : WIRE_HAVE_NONE);
    }
}

static void repeat_bitfields(struct hostile_conn *c, enum hostile_moment m,
                             const struct hostile_message *message)
{
    (void)message;
    if (m == HOSTILE_TICK) {
        hostile_say(c, "\0\0\0\5\5\1\2\3\4", 9);
    }
}

/* Repeats what it has all the time: nothing changes by it. */
static void repeat_haves(struct hostile_conn *c, enum hostile_moment m,
                         const struct hostile_message *message)
{
    (void)message;
    for (int i = 0; m == HOSTILE_TICK && i < 2000; i++) {
        hostile_say_index(c, WIRE_HAVE, hostile_roll(c, PIECES));
    }
}

static void take_back_what_it_is_asked_for(struct hostile_conn *c, enum hostile_moment m,
                                           const struct hostile_message *message)
{
    if (m == HOSTILE_BEGIN) {
        hostile_say_plain(c, WIRE_HAVE_ALL);
        hostile_say_plain(c, WIRE_UNCHOKE);
    } else if (m == HOSTILE_MESSAGE && message->id == WIRE_REQUEST) {
        uint8_t bytes[] = {0, 0, 0, 6, WIRE_EXTENDED, 7, 0, 0, 0, (uint8_t)message->block.piece};
        hostile_say(c, bytes, sizeof bytes);
    }
}

/* ---- requests --------------------------------------------------------------------------------- */

static void ask_while_choked(struct hostile_conn *c, enum hostile_moment m,
                             const struct hostile_message *message)
{
    (void)message;
    for (int i = 0; m == HOSTILE_TICK && i < 500; i++) {
        hostile_say_block(c, WIRE_REQUEST, hostile_roll(c, PIECES - 1), 0, BLOCK);
    }
}

static void ask_and_cancel(struct hostile_conn *c, enum hostile_moment m,
                           const struct hostile_message *message)
{
    (void)message;
    if (m == HOSTILE_BEGIN) {
        hostile_say_plain(c, WIRE_INTERESTED);
    }
    for (int i = 0; m == HOSTILE_TICK && i < 200; i++) {
        uint32_t piece = hostile_roll(c, PIECES - 1);
        hostile_say_block(c, WIRE_REQUEST, piece, 0, BLOCK);
        hostile_say_block(c, WIRE_CANCEL, piece, 0, BLOCK);
    }
}

static void cancel_what_it_never_asked_for(struct hostile_conn *c, enum hostile_moment m,
                                           const struct hostile_message *message)
{
    (void)message;
    for (int i = 0; m == HOSTILE_TICK && i < 500; i++) {
        hostile_say_block(c, WIRE_CANCEL, hostile_roll(c, PIECES - 1), 0, BLOCK);
    }
}

/* Everything, again and again, once it may. */
static void ask_for_everything(struct hostile_conn *c, enum hostile_moment m,
                               const struct hostile_message *message)
{
    if (m == HOSTILE_BEGIN) {
        hostile_say_plain(c, WIRE_HAVE_NONE);
        hostile_say_plain(c, WIRE_INTERESTED);
    } else if (m == HOSTILE_MESSAGE && message->id == WIRE_UNCHOKE) {
        for (uint32_t i = 0; i < PIECES - 1; i++) {
            for (uint32_t offset = 0; offset < PIECE; offset += BLOCK) {
                hostile_say_block(c, WIRE_REQUEST, i, offset, BLOCK);
            }
        }
    }
}

/* Without waiting for leave, since it does not read it. */
static void ask_for_everything_blindly(struct hostile_conn *c, enum hostile_moment m,
                                       const struct hostile_message *message)
{
    (void)message;
    if (m == HOSTILE_BEGIN) {
        hostile_say_plain(c, WIRE_INTERESTED);
    } else if (m == HOSTILE_TICK && (*hostile_counter(c))++ % 50 == 20) {
        for (uint32_t i = 0; i < PIECES - 1; i++) {
            hostile_say_block(c, WIRE_REQUEST, i, 0, PIECE);
        }
    }
}

static void ask_for_the_same_block(struct hostile_conn *c, enum hostile_moment m,
                                   const struct hostile_message *message)
{
    (void)message;
    if (m == HOSTILE_BEGIN) {
        hostile_say_plain(c, WIRE_INTERESTED);
    }
    for (int i = 0; m == HOSTILE_TICK && i < 50; i++) {
        hostile_say_block(c, WIRE_REQUEST, 3, BLOCK, BLOCK);
    }
}

static void ask_in_crumbs(struct hostile_conn *c, enum hostile_moment m,
                          const struct hostile_message *message)
{
    (void)message;
    if (m == HOSTILE_BEGIN) {
        hostile_say_plain(c, WIRE_INTERESTED);
    }
    for (int i = 0; m == HOSTILE_TICK && i < 200; i++) {
        hostile_say_block(c, WIRE_REQUEST, hostile_roll(c, PIECES - 1), hostile_roll(c, 60000), 1);
    }
}

static void take_and_never_give(struct hostile_conn *c, enum hostile_moment m,
                                const struct hostile_message *message)
{
    uint32_t *next = hostile_counter(c);
    if (m == HOSTILE_BEGIN) {
        hostile_say_plain(c, WIRE_HAVE_NONE);
        hostile_say_plain(c, WIRE_INTERESTED);
    } else if (m == HOSTILE_MESSAGE && (message->id == WIRE_UNCHOKE || message->id == WIRE_PIECE)) {
        int more = message->id == WIRE_UNCHOKE ? 20 : 1;
        for (int i = 0; i < more; i++, ++*next) {
            hostile_say_block(c, WIRE_REQUEST, *next / 4 % (PIECES - 1), *next % 4 * BLOCK, BLOCK);
        }
    }
}

/* ---- states ----------------------------------------------------------------------------------- */

static void flicker_choke(struct hostile_conn *c, enum hostile_moment m,
                          const struct hostile_message *message)
{
    (void)message;
    if (m == HOSTILE_BEGIN) {
        hostile_say_plain(c, WIRE_HAVE_ALL);
    }
    for (int i = 0; m == HOSTILE_TICK && i < 500; i++) {
        hostile_say_plain(c, i % 2 ? WIRE_CHOKE : WIRE_UNCHOKE);
    }
}

static void flicker_interest(struct hostile_conn *c, enum hostile_moment m,
                             const struct hostile_message *message)
{
    (void)message;
    for (int i = 0; m == HOSTILE_TICK && i < 1000; i++) {
        hostile_say_plain(c, i % 2 ? WIRE_NOT_INTERESTED : WIRE_INTERESTED);
    }
}

static void keep_alive_all_the_time(struct hostile_conn *c, enum hostile_moment m,
                                    const struct hostile_message *message)
{
    (void)message;
    for (int i = 0; m == HOSTILE_TICK && i < 5000; i++) {
        hostile_say(c, "\0\0\0\0", 4);
    }
}

static void tell_ports(struct hostile_conn *c, enum hostile_moment m,
                       const struct hostile_message *message)
{
    (void)message;
    for (int i = 0; m == HOSTILE_TICK && i < 1000; i++) {
        hostile_say(c, "\0\0\0\3\11\32\341", 7);
    }
}

static void speak_of_what_nobody_knows(struct hostile_conn *c, enum hostile_moment m,
                                       const struct hostile_message *message)
{
    (void)message;
    for (int i = 0; m == HOSTILE_TICK && i < 100; i++) {
        uint8_t bytes[25] = {0, 0, 0, 21, (uint8_t)(100 + hostile_roll(c, 100))};
        hostile_say(c, bytes, sizeof bytes);
    }
}

/* ---- extensions ------------------------------------------------------------------------------- */

static void shake_extensions_again(struct hostile_conn *c, enum hostile_moment m,
                                   const struct hostile_message *message)
{
    static const char text[] = "\0\0\0\x2d\x14\0d1:md13:upload_onlyi3ee4:reqqi999999999999999ee";
    (void)message;
    for (int i = 0; m == HOSTILE_TICK && i < 100; i++) {
        uint8_t bytes[sizeof text];
        memcpy(bytes, text, sizeof text);
        bytes[3] = sizeof text - 1 - 4;
        hostile_say(c, bytes, sizeof text - 1);
    }
}

static void nest_deeply(struct hostile_conn *c, enum hostile_moment m,
                        const struct hostile_message *message)
{
    uint8_t bytes[20006];
    (void)message;
    if (m == HOSTILE_BEGIN) {
        memset(bytes, 'l', sizeof bytes);
        memcpy(bytes, "\0\0\0\0\x14\0", 6);
        bytes[2] = (uint8_t)((sizeof bytes - 4) >> 8);
        bytes[3] = (uint8_t)((sizeof bytes - 4) & 0xff);
        hostile_say(c, bytes, sizeof bytes);
    }
}

static void say_upload_only_all_the_time(struct hostile_conn *c, enum hostile_moment m,
                                         const struct hostile_message *message)
{
    (void)message;
    for (int i = 0; m == HOSTILE_TICK && i < 300; i++) {
        uint8_t bytes[] = {0, 0, 0, 3, WIRE_EXTENDED, 3, (uint8_t)(i % 2)};
        hostile_say(c, bytes, sizeof bytes);
    }
}

/* ---- blocks ----------------------------------------------------------------------------------- */

static void offer(struct hostile_conn *c)
{
    hostile_say_plain(c, WIRE_HAVE_ALL);
    hostile_say_plain(c, WIRE_UNCHOKE);
}

static void offer_and_be_silent(struct hostile_conn *c, enum hostile_moment m,
                                const struct hostile_message *message)
{
    (void)message;
    if (m == HOSTILE_BEGIN) {
        offer(c);
    }
}

static void offer_and_be_silent_but_awake(struct hostile_conn *c, enum hostile_moment m,
                                          const struct hostile_message *message)
{
    offer_and_be_silent(c, m, message);
    if (m == HOSTILE_TICK && ++*hostile_counter(c) % 600 == 0) {
        hostile_say(c, "\0\0\0\0", 4);
    }
}

static void offer_and_refuse(struct hostile_conn *c, enum hostile_moment m,
                             const struct hostile_message *message)
{
    offer_and_be_silent(c, m, message);
    if (m == HOSTILE_MESSAGE && message->id == WIRE_REQUEST) {
        const struct block *b = &message->block;
        hostile_say_block(c, WIRE_REJECT, b->piece, b->offset, b->length);
    }
}

static void serve_lies(struct hostile_conn *c, enum hostile_moment m,
                       const struct hostile_message *message)
{
    offer_and_be_silent(c, m, message);
    if (m == HOSTILE_MESSAGE && message->id == WIRE_REQUEST) {
        hostile_serve(c, message->block, true);
    }
}

static void serve_one_lie(struct hostile_conn *c, enum hostile_moment m,
                          const struct hostile_message *message)
{
    offer_and_be_silent(c, m, message);
    if (m == HOSTILE_MESSAGE && message->id == WIRE_REQUEST) {
        hostile_serve(c, message->block, hostile_roll(c, 8) == 0);
    }
}

static void serve_twice(struct hostile_conn *c, enum hostile_moment m,
                        const struct hostile_message *message)
{
    offer_and_be_silent(c, m, message);
    if (m == HOSTILE_MESSAGE && message->id == WIRE_REQUEST) {
        hostile_serve(c, message->block, false);
        hostile_serve(c, message->block, false);
    }
}

static void serve_half(struct hostile_conn *c, enum hostile_moment m,
                       const struct hostile_message *message)
{
    offer_and_be_silent(c, m, message);
    if (m == HOSTILE_MESSAGE && message->id == WIRE_REQUEST) {
        struct block half = message->block;
        half.length /= 2;
        hostile_serve(c, half, false);
    }
}

static void serve_something_else(struct hostile_conn *c, enum hostile_moment m,
                                 const struct hostile_message *message)
{
    offer_and_be_silent(c, m, message);
    if (m == HOSTILE_MESSAGE && message->id == WIRE_REQUEST) {
        struct block other = message->block;
        other.piece = (other.piece + 1) % (PIECES - 1);
        hostile_serve(c, other, false);
    }
}

static void push_blocks(struct hostile_conn *c, enum hostile_moment m,
                        const struct hostile_message *message)
{
    (void)message;
    for (int i = 0; m == HOSTILE_TICK && i < 4; i++) {
        hostile_serve(c, (struct block){hostile_roll(c, PIECES - 1), 0, BLOCK}, false);
    }
}

static void push_empty_blocks(struct hostile_conn *c, enum hostile_moment m,
                              const struct hostile_message *message)
{
    (void)message;
    for (int i = 0; m == HOSTILE_TICK && i < 100; i++) {
        hostile_say(c, "\0\0\0\11\7\0\0\0\1\0\0\0\0", 13);
    }
}

/* One byte a tick of the first block asked for. */
static void serve_in_drips(struct hostile_conn *c, enum hostile_moment m,
                           const struct hostile_message *message)
{
    uint32_t *state = hostile_counter(c);
    offer_and_be_silent(c, m, message);
    if (m == HOSTILE_MESSAGE && message->id == WIRE_REQUEST && *state == 0) {
        uint8_t head[WIRE_PIECE_HEADER_BYTES];
        wire_write_piece_header(head, message->block);
        hostile_say(c, head, sizeof head);
        *state = 1;
    } else if (m == HOSTILE_TICK && *state > 0) {
        hostile_say(c, "x", 1);
    }
}

static void hang_up_when_asked(struct hostile_conn *c, enum hostile_moment m,
                               const struct hostile_message *message)
{
    offer_and_be_silent(c, m, message);
    if (m == HOSTILE_MESSAGE && message->id == WIRE_REQUEST) {
        hostile_hang_up(c);
    }
}

static void choke_when_asked(struct hostile_conn *c, enum hostile_moment m,
                             const struct hostile_message *message)
{
    offer_and_be_silent(c, m, message);
    if (m == HOSTILE_MESSAGE && message->id == WIRE_REQUEST) {
        hostile_say_plain(c, WIRE_CHOKE);
        hostile_say_plain(c, WIRE_UNCHOKE);
    }
}

static void reject_what_was_never_asked(struct hostile_conn *c, enum hostile_moment m,
                                        const struct hostile_message *message)
{
    offer_and_be_silent(c, m, message);
    for (int i = 0; m == HOSTILE_TICK && i < 300; i++) {
        hostile_say_block(c, WIRE_REJECT, hostile_roll(c, PIECES - 1), 0, BLOCK);
    }
}

static void allow_everything(struct hostile_conn *c, enum hostile_moment m,
                             const struct hostile_message *message)
{
    (void)message;
    if (m == HOSTILE_BEGIN) {
        hostile_say_plain(c, WIRE_HAVE_ALL);
    }
    for (uint32_t i = 0; m == HOSTILE_TICK && i < 200; i++) {
        hostile_say_index(c, i % 2 ? WIRE_ALLOWED_FAST : WIRE_SUGGEST, hostile_roll(c, PIECES));
    }
}

static void come_and_go(struct hostile_conn *c, enum hostile_moment m,
                        const struct hostile_message *message)
{
    (void)message;
    if (m == HOSTILE_TICK) {
        hostile_hang_up(c);
    }
}

#define LEECH        HOSTILE_TO_LEECH
#define SEED         HOSTILE_TO_SEED
#define CLOSED(text) .end = HOSTILE_CLOSED, .reason = text

const struct hostile_behaviour hostile_behaviours[] = {
    /* handshakes */
    {"says nothing", SEED, HOSTILE_RAW, CLOSED(TIMEOUT_REASON)},
    {"speaks HTTP", SEED, HOSTILE_RAW, CLOSED("does not speak BitTorrent"),
     BYTES("GET /announce HTTP/1.1\r\nHost: example\r\n\r\n")},
    {"misspells the protocol", SEED, HOSTILE_RAW, CLOSED("does not speak BitTorrent"),
     BYTES("\023BitTorrent protocoL\0\0\0\0\0\0\0\0aaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbb")},
    {"makes noise", SEED, HOSTILE_RAW, CLOSED("does not speak BitTorrent"), .act = speak_noise},
    {"wants another torrent", SEED, HOSTILE_RAW, CLOSED("no such torrent"),
     .act = shake_with_another_torrent},
    {"is dialled and has another torrent", LEECH, HOSTILE_RAW | HOSTILE_LISTENS,
     CLOSED("wrong info-hash"), .act = shake_with_another_torrent},
    {"shows us our own peer id", LEECH, HOSTILE_RAW | HOSTILE_LISTENS, CLOSED("it is ourselves"),
     .act = mirror},
    {"stops in the middle of the handshake", SEED, HOSTILE_RAW, CLOSED(TIMEOUT_REASON),
     BYTES("\023BitTorrent protocol\0\0\0\0\0\0\0\0aaaaaaaa")},
    {"sends its handshake in drips", SEED, HOSTILE_RAW, CLOSED(TIMEOUT_REASON),
     .act = drip_a_handshake},
    {"is dialled and says nothing", LEECH, HOSTILE_RAW | HOSTILE_LISTENS, CLOSED(TIMEOUT_REASON)},
    /* lengths */
    {"promises four gigabytes", SEED, 0, CLOSED(LENGTH_REASON), BYTES("\377\377\377\377\144")},
    {"promises a megabyte and a byte", SEED, 0, CLOSED(LENGTH_REASON), BYTES("\0\20\0\1\144")},
    {"adds a byte to a choke", SEED, 0, CLOSED(LENGTH_REASON), BYTES("\0\0\0\2\0\0")},
    {"sends half a have", SEED, 0, CLOSED(LENGTH_REASON), BYTES("\0\0\0\3\4\0\0")},
    {"sends a long have", SEED, 0, CLOSED(LENGTH_REASON), BYTES("\0\0\0\11\4\0\0\0\0\0\0\0\0")},
    {"sends a short request", SEED, 0, CLOSED(LENGTH_REASON), BYTES("\0\0\0\5\6\0\0\0\0")},
    {"sends a block without a header", SEED, 0, CLOSED(LENGTH_REASON), BYTES("\0\0\0\3\7\0\0")},
    {"sends a block of a megabyte", SEED, 0, CLOSED(LENGTH_REASON), BYTES("\0\20\0\11\7")},
    {"sends an extension message without a number", SEED, 0, CLOSED(LENGTH_REASON),
     BYTES("\0\0\0\1\24")},
    {"sends an extension message of a megabyte", SEED, 0, CLOSED(LENGTH_REASON),
     BYTES("\0\20\0\0\24\0")},
    /* what it has */
    {"sends a bitfield that is too short", LEECH, 0, CLOSED("bad bitfield"),
     BYTES("\0\0\0\4\5\377\377\377")},
    {"sends a bitfield that is too long", LEECH, 0, CLOSED("bad bitfield"),
     BYTES("\0\0\0\6\5\377\377\377\376\0")},
    {"has a piece beyond the last", LEECH, 0, CLOSED("bad bitfield"),
     BYTES("\0\0\0\5\5\377\377\377\377")},
    {"changes its mind again and again", LEECH, 0, CLOSED("bad bitfield"), .act = change_its_mind},
    {"sends bitfields again and again", LEECH, 0, CLOSED("bad bitfield"), .act = repeat_bitfields},
    {"has piece 31 of 31", LEECH, 0, CLOSED("piece number out of range"),
     BYTES("\0\0\0\5\4\0\0\0\37")},
    {"has piece four milliards", LEECH, 0, CLOSED("piece number out of range"),
     BYTES("\0\0\0\5\4\377\377\377\377")},
    {"says have all the time", LEECH, 0, HOSTILE_ENDURED, .act = repeat_haves},
    {"takes back what it is asked for", LEECH, 0, HOSTILE_ENDURED,
     .act = take_back_what_it_is_asked_for},
    {"takes back a piece that is not there", LEECH, 0, CLOSED("malformed extension message"),
     BYTES("\0\0\0\6\24\7\0\0\0\37")},
    /* BEP 6 */
    {"has all without the fast extension", LEECH, HOSTILE_SLOW,
     CLOSED("fast extension message without the extension"), BYTES("\0\0\0\1\16")},
    {"suggests without the fast extension", LEECH, HOSTILE_SLOW,
     CLOSED("fast extension message without the extension"), BYTES("\0\0\0\5\15\0\0\0\1")},
    {"suggests a piece that is not there", LEECH, 0, CLOSED("piece number out of range"),
     BYTES("\0\0\0\5\15\0\0\0\37")},
    {"allows a piece that is not there", LEECH, 0, CLOSED("piece number out of range"),
     BYTES("\0\0\0\5\21\0\0\1\0")},
    {"allows and suggests everything and answers nothing", LEECH, 0, HOSTILE_ENDURED,
     .act = allow_everything},
    {"rejects what was never asked", LEECH, 0, HOSTILE_ENDURED, .act = reject_what_was_never_asked},
    /* requests */
    {"asks for a piece that is not there", SEED, 0, CLOSED("request out of range"),
     BYTES("\0\0\0\15\6\0\0\0\37\0\0\0\0\0\0\100\0")},
    {"asks beyond the end of a piece", SEED, 0, CLOSED("request out of range"),
     BYTES("\0\0\0\15\6\0\0\0\1\0\1\340\0\0\0\100\0")},
    {"asks beyond the end of the last piece", SEED, 0, CLOSED("request out of range"),
     BYTES("\0\0\0\15\6\0\0\0\36\0\1\100\0\0\0\100\0")},
    {"asks for nothing", SEED, 0, CLOSED("request out of range"),
     BYTES("\0\0\0\15\6\0\0\0\1\0\0\0\0\0\0\0\0")},
    {"asks for a megabyte", SEED, 0, CLOSED("request out of range"),
     BYTES("\0\0\0\15\6\0\0\0\1\0\0\0\0\0\20\0\0")},
    {"asks around the end of numbers", SEED, 0, CLOSED("request out of range"),
     BYTES("\0\0\0\15\6\0\0\0\1\377\377\377\360\0\0\0\40")},
    {"asks while it is choked and reads no answer", LEECH, HOSTILE_DEAF,
     CLOSED("floods us without reading"), .act = ask_while_choked},
    {"asks while it is choked", LEECH, 0, HOSTILE_ENDURED, .act = ask_while_choked},
    {"asks for everything and reads nothing", SEED, HOSTILE_DEAF, CLOSED("timed out"),
     .act = ask_for_everything_blindly},
    {"asks for everything, as often as it may", SEED, 0, HOSTILE_ENDURED,
     .act = ask_for_everything},
    {"asks and cancels", SEED, 0, HOSTILE_ENDURED, .act = ask_and_cancel},
    {"cancels what it never asked for", SEED, 0, HOSTILE_ENDURED,
     .act = cancel_what_it_never_asked_for},
    {"asks for the same block for ever", SEED, 0, CLOSED("takes the same blocks again and again"),
     .act = ask_for_the_same_block},
    {"asks for single bytes", SEED, 0, HOSTILE_ENDURED, .act = ask_in_crumbs},
    {"takes from leechers and never gives", LEECH, 0, HOSTILE_STARVED, .act = take_and_never_give},
    /* states and extensions */
    {"chokes and unchokes all the time", LEECH, 0, HOSTILE_ENDURED, .act = flicker_choke},
    {"changes its interest all the time", SEED, 0, HOSTILE_ENDURED, .act = flicker_interest},
    {"keeps alive all the time", SEED, 0, HOSTILE_ENDURED, .act = keep_alive_all_the_time},
    {"tells of ports all the time", SEED, 0, HOSTILE_ENDURED, .act = tell_ports},
    {"speaks of what nobody knows", SEED, 0, HOSTILE_ENDURED, .act = speak_of_what_nobody_knows},
    {"shakes no hand in its extension handshake", SEED, 0, CLOSED("malformed extension message"),
     BYTES("\0\0\0\7\24\0hello")},
    {"nests lists ten thousand deep", SEED, 0, CLOSED("malformed extension message"),
     .act = nest_deeply},
    {"shakes extensions again and again", SEED, 0, HOSTILE_ENDURED, .act = shake_extensions_again},
    {"turns upload-only on and off", LEECH, 0, HOSTILE_ENDURED,
     .act = say_upload_only_all_the_time},
    /* blocks */
    {"serves nothing but lies", LEECH, 0, HOSTILE_BANNED, .act = serve_lies},
    {"serves a lie now and then", LEECH, 0, HOSTILE_BANNED, .act = serve_one_lie},
    {"sends blocks that nobody asked for", LEECH, 0, CLOSED("sends blocks nobody asked for"),
     .act = push_blocks},
    {"sends empty blocks", LEECH, 0, CLOSED("sends blocks nobody asked for"),
     .act = push_empty_blocks},
    {"serves another block than was asked for", LEECH, 0, HOSTILE_ENDURED,
     .act = serve_something_else},
    {"serves half blocks", LEECH, 0, HOSTILE_ENDURED, .act = serve_half},
    {"serves everything twice", LEECH, 0, HOSTILE_ENDURED, .act = serve_twice},
    {"serves a byte at a time", LEECH, 0, HOSTILE_ENDURED, .act = serve_in_drips},
    {"offers everything and says no more", LEECH, 0, HOSTILE_ENDURED, .act = offer_and_be_silent},
    {"offers everything and only keeps alive", LEECH, 0, HOSTILE_ENDURED,
     .act = offer_and_be_silent_but_awake},
    {"offers everything and refuses it", LEECH, 0, HOSTILE_ENDURED, .act = offer_and_refuse},
    {"hangs up when it is asked", LEECH, HOSTILE_AGAIN, HOSTILE_ENDURED, .act = hang_up_when_asked},
    {"chokes when it is asked", LEECH, 0, HOSTILE_ENDURED, .act = choke_when_asked},
    {"comes and goes ten times a second", SEED, HOSTILE_AGAIN, HOSTILE_ENDURED, .act = come_and_go},
};

const int hostile_behaviour_count = sizeof hostile_behaviours / sizeof *hostile_behaviours;
