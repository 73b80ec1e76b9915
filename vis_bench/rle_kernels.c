/* Run-length arithmetic on many masks at once. Built and called by rle_kernels.py, which describes arguments. */

#include <stddef.h>
#include <stdint.h>

enum { ORDINARY = 0, NEEDS_FULL_CHECK = 1 };

/* Run ends and areas of compressed masks. Text is only read inside begin[0]..begin[masks]. */
int32_t decode_masks(const uint8_t *text, const int64_t *begin, int64_t masks, const int64_t *pixels,
                     int32_t *edges, int64_t *first_edge, int64_t *areas)
{
    int64_t written = 0;
    first_edge[0] = 0;
    for (int64_t mask = 0; mask < masks; mask++) {
        const uint8_t *place = text + begin[mask], *stop = text + begin[mask + 1];
        int64_t before = 0, last = 0; /* the runs two places and one place before */
        int64_t end = 0, count = 0, area = 0;
        const int64_t image = pixels[mask];
        while (place < stop) {
            uint32_t code = (uint32_t)*place++ - 48u;
            int64_t value;
            if (code < 32u) { /* nearly every number has one character */
                value = (int64_t)(code ^ 16u) - 16;
            } else {
                uint64_t bits = 0;
                int shift = 0;
                for (;;) {
                    if (code > 63u || shift > 30)
                        return NEEDS_FULL_CHECK;
                    bits |= (uint64_t)(code & 31u) << shift;
                    shift += 5;
                    if (!(code & 32u))
                        break;
                    if (place >= stop)
                        return NEEDS_FULL_CHECK;
                    code = (uint32_t)*place++ - 48u;
                }
                value = (int64_t)bits;
                if (code & 16u)
                    value -= (int64_t)1 << shift;
            }
            const int64_t run = count > 2 ? value + before : value;
            if (run <= 0 && (run < 0 || count > 0))
                return NEEDS_FULL_CHECK;
            end += run;
            area += count & 1 ? run : 0;
            if (end > image)
                return NEEDS_FULL_CHECK;
            if (edges != NULL)
                edges[written] = (int32_t)end;
            written++;
            count++;
            before = last;
            last = run;
        }
        if (count == 0 || end != image)
            return NEEDS_FULL_CHECK;
        first_edge[mask + 1] = written;
        areas[mask] = area;
    }
    return ORDINARY;
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

/* Pixels that masks first[p] and second[p] have in common: a walk over the foreground stretches of both. */
void shared_pixels(const int32_t *edges, const int64_t *first_edge, const int64_t *first, const int64_t *second,
                   int64_t pairs, double *shared)
{
    for (int64_t pair = 0; pair < pairs; pair++) {
        int64_t a = first_edge[first[pair]] + 1, a_stop = first_edge[first[pair] + 1];
        int64_t b = first_edge[second[pair]] + 1, b_stop = first_edge[second[pair] + 1];
        int64_t total = 0;
        if (a < a_stop && b < b_stop) {
            a = skip(edges, a, a_stop, edges[b - 1]);
            if (a < a_stop)
                b = skip(edges, b, b_stop, edges[a - 1]);
        }
        while (a < a_stop && b < b_stop) {
            const int32_t low = edges[a - 1] > edges[b - 1] ? edges[a - 1] : edges[b - 1];
            const int32_t a_end = edges[a], b_end = edges[b];
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
