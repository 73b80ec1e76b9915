/* Run-length arithmetic on many masks at once: the module vis_bench.masks._kernels, built when the package is
   installed where there is a compiler. kernels.py describes the arguments. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { ORDINARY = 0, NEEDS_FULL_CHECK = 1 };

/* Run ends and areas of compressed masks. Text is only read inside begin[0]..begin[masks]. */
static int32_t decode_all(const uint8_t *text, const int64_t *begin, int64_t masks, const int64_t *pixels,
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
static void share_all(const int32_t *edges, const int64_t *first_edge, const int64_t *first,
                      const int64_t *second, int64_t pairs, double *shared)
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

enum { MOST_ARRAYS = 6 };

/* What an argument must be: a contiguous array of this kind of number, writable where it is filled. */
typedef struct {
    const char *name;
    Py_ssize_t bytes; /* of one number */
    char kind;        /* u unsigned, i signed, f floating */
    int written;
} Wanted;

static char kind_of(const char *format)
{
    if (format == NULL)
        return 'u';
    if (*format == '@' || *format == '=' || *format == '<')
        format++;
    if (format[0] == '\0' || format[1] != '\0')
        return '?';
    if (strchr("BHILQ", *format))
        return 'u';
    if (strchr("bhilq", *format))
        return 'i';
    return strchr("fd", *format) ? 'f' : '?';
}

static void release(Py_buffer *views, int count)
{
    for (int k = 0; k < count; k++)
        if (views[k].obj != NULL)
            PyBuffer_Release(&views[k]);
}

/* Fill views from the arguments; an argument that is None, where it may be, has buf NULL. */
static int take(PyObject *arguments, const Wanted *wanted, int count, int optional, Py_buffer *views)
{
    if (PyTuple_Size(arguments) != count) {
        PyErr_Format(PyExc_TypeError, "%d arrays are needed, found %zd", count, PyTuple_Size(arguments));
        return -1;
    }
    memset(views, 0, sizeof(Py_buffer) * (size_t)count);
    for (int k = 0; k < count; k++) {
        PyObject *given = PyTuple_GetItem(arguments, k);
        if (k == optional && given == Py_None)
            continue;
        const int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (wanted[k].written ? PyBUF_WRITABLE : 0);
        if (PyObject_GetBuffer(given, &views[k], flags) < 0) {
            PyErr_Clear();
            PyErr_Format(PyExc_TypeError, "%s: a contiguous array is needed%s", wanted[k].name,
                         wanted[k].written ? " that can be written" : "");
            release(views, k);
            return -1;
        }
        if (views[k].itemsize != wanted[k].bytes || kind_of(views[k].format) != wanted[k].kind) {
            PyErr_Format(PyExc_TypeError, "%s: a contiguous array of another kind of number is needed", wanted[k].name);
            release(views, k + 1);
            return -1;
        }
    }
    return 0;
}

static int64_t length_of(const Py_buffer *view) { return (int64_t)(view->len / view->itemsize); }

static PyObject *refuse(Py_buffer *views, int count, const char *text)
{
    release(views, count);
    PyErr_SetString(PyExc_ValueError, text);
    return NULL;
}

static int rises(const int64_t *values, int64_t count, int64_t most)
{
    int64_t before = 0;
    for (int64_t k = 0; k < count; k++) {
        if (values[k] < before || values[k] > most)
            return 0;
        before = values[k];
    }
    return 1;
}

static PyObject *decode_masks(PyObject *self, PyObject *arguments)
{
    static const Wanted wanted[] = {{"text", 1, 'u', 0},  {"begin", 8, 'i', 0},      {"pixels", 8, 'i', 0},
                                    {"edges", 4, 'i', 1}, {"first_edge", 8, 'i', 1}, {"areas", 8, 'i', 1}};
    Py_buffer views[MOST_ARRAYS];
    if (take(arguments, wanted, 6, 3, views) < 0)
        return NULL;
    const int64_t masks = length_of(&views[2]), characters = length_of(&views[0]);
    if (length_of(&views[1]) != masks + 1 || length_of(&views[4]) != masks + 1 || length_of(&views[5]) != masks)
        return refuse(views, 6, "begin and first_edge need one number more than pixels and areas");
    if (!rises(views[1].buf, masks + 1, characters))
        return refuse(views, 6, "begin must rise within the text");
    if (views[3].buf != NULL && length_of(&views[3]) < characters)
        return refuse(views, 6, "edges must have room for a number per character");
    int32_t found;
    Py_BEGIN_ALLOW_THREADS
    found = decode_all(views[0].buf, views[1].buf, masks, views[2].buf, views[3].buf, views[4].buf, views[5].buf);
    Py_END_ALLOW_THREADS
    release(views, 6);
    return PyBool_FromLong(found == ORDINARY);
}

static PyObject *shared_pixels(PyObject *self, PyObject *arguments)
{
    static const Wanted wanted[] = {{"edges", 4, 'i', 0},
                                    {"first_edge", 8, 'i', 0},
                                    {"first", 8, 'i', 0},
                                    {"second", 8, 'i', 0},
                                    {"shared", 8, 'f', 1}};
    Py_buffer views[MOST_ARRAYS];
    if (take(arguments, wanted, 5, -1, views) < 0)
        return NULL;
    const int64_t masks = length_of(&views[1]) - 1, pairs = length_of(&views[4]);
    if (masks < 0 || !rises(views[1].buf, masks + 1, length_of(&views[0])))
        return refuse(views, 5, "first_edge must rise within edges");
    for (int side = 2; side < 4; side++) {
        const int64_t *numbers = views[side].buf;
        if (length_of(&views[side]) != pairs)
            return refuse(views, 5, "first, second and shared need one number per pair");
        for (int64_t pair = 0; pair < pairs; pair++)
            if (numbers[pair] < 0 || numbers[pair] >= masks)
                return refuse(views, 5, "first and second must be numbers of masks");
    }
    Py_BEGIN_ALLOW_THREADS
    share_all(views[0].buf, views[1].buf, views[2].buf, views[3].buf, pairs, views[4].buf);
    Py_END_ALLOW_THREADS
    release(views, 5);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"decode_masks", decode_masks, METH_VARARGS, "Run ends and areas; whether every mask was ordinary."},
    {"shared_pixels", shared_pixels, METH_VARARGS, "Pixels that pairs of masks have in common."},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_kernels", NULL, 0, functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__kernels(void) { return PyModuleDef_Init(&module); }
