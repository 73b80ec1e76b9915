/* Lifting masks out of the text of a JSON file: what is left is short, and the masks stay where they are.

   Under the key "segmentations", a list of nothing but null and {"size": [h, w], "counts": "..."} becomes one text:
   a DEL character, the number of its first entry, a space, how many entries it has. All other text is copied. What
   is no such list is none, however broken: the parser of the rest will say so. Whether the counts are a mask is
   another question; they end before a quote, and none of them is escaped. */

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { MARK = 0x7f, LONGEST_REFERENCE = 48 };

/* What is found. masks: begin, end, height and width of each; entries: per list entry its mask, -1 for null. */
typedef struct {
    int64_t *begin, *end, *height, *width, *entries;
    int64_t masks, listed, lists, room_masks, room_entries;
} Lifted;

/* Text up to `stop`; place is NULL once something else stands there than was expected. */
typedef struct {
    const uint8_t *place, *stop;
} Cursor;

static void skip_space(Cursor *at)
{
    while (at->place < at->stop && (*at->place == ' ' || *at->place == '\n' || *at->place == '\t' || *at->place == '\r'))
        at->place++;
}

/* Whether the text goes on with these characters, after space; steps over them. */
static int take_text(Cursor *at, const char *wanted)
{
    const size_t length = strlen(wanted);
    skip_space(at);
    if ((size_t)(at->stop - at->place) < length || memcmp(at->place, wanted, length) != 0)
        return 0;
    at->place += length;
    return 1;
}

/* A whole number of one to nine digits after space, -1 for anything else. */
static int64_t take_number(Cursor *at)
{
    int64_t value = 0;
    int digits = 0;
    skip_space(at);
    while (at->place < at->stop && *at->place >= '0' && *at->place <= '9' && digits < 10) {
        value = 10 * value + (*at->place++ - '0');
        digits++;
    }
    return digits == 0 || digits > 9 || (digits > 1 && at->place[-digits] == '0') ? -1 : value;
}

/* An object of `size` and `counts`, in this or the other order, after space. */
static int take_mask(Cursor *at, const uint8_t *text, Lifted *found)
{
    int sizes = 0, counts = 0;
    const int64_t mask = found->masks;
    if (mask >= found->room_masks || !take_text(at, "{"))
        return 0;
    for (int member = 0; member < 2; member++) {
        if (member == 1 && !take_text(at, ","))
            return 0;
        if (take_text(at, "\"size\"")) {
            if (!take_text(at, ":") || !take_text(at, "["))
                return 0;
            found->height[mask] = take_number(at);
            if (!take_text(at, ","))
                return 0;
            found->width[mask] = take_number(at);
            if (found->height[mask] < 0 || found->width[mask] < 0 || !take_text(at, "]"))
                return 0;
            sizes++;
        } else if (take_text(at, "\"counts\"")) {
            if (!take_text(at, ":") || !take_text(at, "\""))
                return 0;
            const uint8_t *quote = memchr(at->place, '"', (size_t)(at->stop - at->place));
            if (quote == NULL)
                return 0;
            const uint8_t *slash = quote;
            while (slash > at->place && slash[-1] == '\\')
                slash--;
            if ((quote - slash) & 1)
                return 0;
            found->begin[mask] = at->place - text;
            found->end[mask] = quote - text;
            at->place = quote + 1;
            counts++;
        } else {
            return 0;
        }
    }
    if (sizes != 1 || counts != 1 || !take_text(at, "}"))
        return 0;
    found->masks++;
    return 1;
}

/* A list of masks and null with at least one mask; `found` is as before where it is another list. */
static int take_masks(Cursor *at, const uint8_t *text, Lifted *found)
{
    const int64_t masks = found->masks, listed = found->listed;
    if (take_text(at, "[")) {
        do {
            if (found->listed >= found->room_entries)
                break;
            if (take_text(at, "null"))
                found->entries[found->listed++] = -1;
            else if (take_mask(at, text, found))
                found->entries[found->listed++] = found->masks - 1;
            else
                break;
            if (take_text(at, "]")) {
                if (found->masks == masks)
                    break;
                found->lists++;
                return 1;
            }
        } while (take_text(at, ","));
    }
    found->masks = masks;
    found->listed = listed;
    return 0;
}

/* Whether a text in quotes holds a DEL character, as such or as \u007f. */
static int has_mark(const uint8_t *place, size_t size)
{
    if (memchr(place, MARK, size) != NULL)
        return 1;
    const uint8_t *stop = place + size;
    while ((place = memchr(place, '\\', (size_t)(stop - place))) != NULL) {
        if (stop - place >= 6 && memcmp(place, "\\u007", 5) == 0 && (place[5] == 'f' || place[5] == 'F'))
            return 1;
        place++;
    }
    return 0;
}

/* The rest of the text, into `rest`, which has room for all of it; its length, -1 where it holds a DEL character. */
static int64_t lift_all(const uint8_t *text, int64_t length, uint8_t *rest, Lifted *found)
{
    static const char key[] = "\"segmentations\"";
    const uint8_t *place = text, *stop = text + length;
    uint8_t *out = rest;
    while (place < stop) {
        if (*place == MARK)
            return -1;
        if (*place != '"') {
            *out++ = *place++;
            continue;
        }
        const uint8_t *end = place + 1;
        while (end < stop && *end != '"')
            end += *end == '\\' ? 2 : 1;
        end = end < stop ? end + 1 : stop;
        const size_t size = (size_t)(end - place);
        if (has_mark(place, size))
            return -1;
        memcpy(out, place, size);
        out += size;
        const int is_key = size == sizeof key - 1 && memcmp(place, key, size) == 0;
        place = end;
        Cursor at = {place, stop};
        const int64_t first = found->listed;
        /* a list of one mask is longer than what stands for it */
        if (is_key && take_text(&at, ":") && take_masks(&at, text, found)) {
            char reference[LONGEST_REFERENCE];
            const int written = snprintf(reference, sizeof reference, ":\"%c%lld %lld\"", MARK, (long long)first,
                                         (long long)(found->listed - first));
            memcpy(out, reference, (size_t)written);
            out += written;
            place = at.place;
        }
    }
    return out - rest;
}
