/* Arithmetic on the runs of compressed masks: pure functions on arrays, which kernels.c offers to Python. */

#include <stddef.h>
#include <stdint.h>

/* Compressed masks, mask i at text[begin[i]] .. text[end[i]]. escaped: as a JSON file holds them, every backslash
   twice. */
typedef struct {
    const uint8_t *text;
    const int64_t *begin, *end;
    int64_t count;
    int escaped;
} Masks;

/* A place in one mask; broken: whether a number could not be read. */
typedef struct {
    const uint8_t *place, *stop;
    int escaped, broken;
} Reader;

static inline Reader reader_of(const Masks *masks, int64_t mask, int escaped)
{
    const Reader start = {masks->text + masks->begin[mask], masks->text + masks->end[mask], escaped, 0};
    return start;
}

/* A number of several characters, of which `code` is the first; the reader is at its end where it is broken. */
static int64_t long_number(Reader *reader, uint32_t code)
{
    uint64_t bits = 0;
    int shift = 0;
    for (;;) {
        if (code > 63u || shift > 30)
            break;
        if (reader->escaped && code == '\\' - 48u && (reader->place >= reader->stop || *reader->place++ != '\\'))
            break;
        bits |= (uint64_t)(code & 31u) << shift;
        shift += 5;
        if (!(code & 32u))
            return (int64_t)bits - (code & 16u ? (int64_t)1 << shift : 0);
        if (reader->place >= reader->stop)
            break;
        code = (uint32_t)*reader->place++ - 48u;
    }
    reader->broken = 1;
    reader->place = reader->stop;
    return 0;
}

/* The next number; there is one. */
static inline int64_t number(Reader *reader)
{
    const uint32_t code = (uint32_t)*reader->place++ - 48u;
    /* nearly every number has one character */
    return code < 32u ? (int64_t)(code ^ 16u) - 16 : long_number(reader, code);
}

/* Run ends (unless edges is NULL) of one mask; its area, or -1 where it needs the full check.

   The first run is background, then foreground and background take turns; a number is the difference to the run two
   places before, except the first three. Runs that are positive and end where the image does have ended within it. */
static inline int64_t decode_one(Reader reader, const int64_t image, int32_t *edges, int64_t *written)
{
    if (reader.place >= reader.stop)
        return -1;
    int64_t place = *written, area = 0, foreground = 0, background = 0, end = number(&reader);
    int64_t unusual = end; /* negative from the first run on that must not be */
    if (edges != NULL)
        edges[place] = (int32_t)end;
    place++;
    while (reader.place < reader.stop) {
        foreground += number(&reader);
        unusual |= foreground - 1;
        end += foreground;
        area += foreground;
        if (edges != NULL)
            edges[place] = (int32_t)end;
        place++;
        if (reader.place >= reader.stop)
            break;
        background += number(&reader);
        unusual |= background - 1;
        end += background;
        unusual |= image - end;
        if (unusual < 0)
            return -1;
        if (edges != NULL)
            edges[place] = (int32_t)end;
        place++;
    }
    if (unusual < 0 || reader.broken || end != image)
        return -1;
    *written = place;
    return area;
}

/* Run ends and areas; how many masks need the full check (their area is -1, they have no run ends). */
static int64_t decode_all(const Masks *masks, const int64_t *pixels, int32_t *edges, int64_t *first_edge,
                          int64_t *areas)
{
    int64_t written = 0, unusual = 0;
    first_edge[0] = 0;
    for (int64_t mask = 0; mask < masks->count; mask++) {
        areas[mask] = edges == NULL ? decode_one(reader_of(masks, mask, masks->escaped), pixels[mask], NULL, &written)
                                    : decode_one(reader_of(masks, mask, masks->escaped), pixels[mask], edges, &written);
        unusual += areas[mask] < 0;
        first_edge[mask + 1] = written;
    }
    return unusual;
}

/* Tight boxes (x, y, width, height) of ordinary masks in images of these heights; zeros for an empty mask. */
static void box_all(const Masks *masks, const int64_t *heights, double *boxes)
{
    for (int64_t mask = 0; mask < masks->count; mask++) {
        Reader reader = reader_of(masks, mask, masks->escaped);
        const int64_t height = heights[mask];
        int64_t runs[2] = {0, 0}, end = 0, y = 0; /* end: of the last run; y: the row of the next pixel */
        int64_t first = -1, last = 0, top = height, bottom = -1;
        if (reader.place < reader.stop)
            end = number(&reader);
        y = end % height;
        for (int foreground = 1; reader.place < reader.stop; foreground = !foreground) {
            const int64_t begin = end, row = y, run = runs[foreground] += number(&reader);
            if (run < 0)
                break;
            end += run;
            y += run;
            if (foreground) {
                first = first < 0 ? begin : first;
                last = end - 1;
                if (y <= height) {
                    top = row < top ? row : top;
                    bottom = y > bottom ? y : bottom;
                } else { /* over the end of a column */
                    top = 0;
                    bottom = height;
                }
            }
            if (y >= height) {
                y -= height;
                if (y >= height)
                    y %= height;
            }
        }
        const int empty = first < 0;
        boxes[4 * mask] = empty ? 0 : (double)(first / height);
        boxes[4 * mask + 1] = empty ? 0 : (double)top;
        boxes[4 * mask + 2] = empty ? 0 : (double)(last / height - first / height + 1);
        boxes[4 * mask + 3] = empty ? 0 : (double)(bottom - top);
    }
}

/* First foreground stretch, from `place` on, that ends after pixel `start`, found by halving. */
static int64_t skip(const int32_t *edges, int64_t place, int64_t stop, int32_t start)
{
    int64_t low = 0, high = (stop - place + 1) / 2;
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (edges[place + 2 * middle] <= start)
            low = middle + 1;
        else
            high = middle;
    }
    return place + 2 * low;
}

/* Run ends of masks as decode_all wrote them. */
typedef struct {
    const int32_t *edges;
    const int64_t *first_edge;
} Decoded;

/* Pixels that masks i[p] of the first and j[p] of the second have in common: a walk over the foreground stretches of
   both. */
static void share_all(const Decoded *first, const Decoded *second, const int64_t *i, const int64_t *j, int64_t pairs,
                      double *shared)
{
    const int32_t *left = first->edges, *right = second->edges;
    for (int64_t pair = 0; pair < pairs; pair++) {
        int64_t a = first->first_edge[i[pair]] + 1, a_stop = first->first_edge[i[pair] + 1];
        int64_t b = second->first_edge[j[pair]] + 1, b_stop = second->first_edge[j[pair] + 1];
        int64_t total = 0;
        if (a < a_stop && b < b_stop) {
            a = skip(left, a, a_stop, right[b - 1]);
            if (a < a_stop)
                b = skip(right, b, b_stop, left[a - 1]);
        }
        while (a < a_stop && b < b_stop) {
            const int32_t low = left[a - 1] > right[b - 1] ? left[a - 1] : right[b - 1];
            const int32_t a_end = left[a], b_end = right[b];
            const int32_t high = a_end < b_end ? a_end : b_end;
            total += high > low ? high - low : 0;
            if (a_end < b_end)
                a += 2;
            else
                b += 2;
        }
        shared[pair] = (double)total;
    }
}
