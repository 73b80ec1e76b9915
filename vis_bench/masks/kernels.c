/* Run-length arithmetic on many masks at once: the module vis_bench.masks._kernels, built when the package is
   installed where there is a compiler. Here arguments are checked; kernels.py describes them. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#include "lifted.h"
#include "runs.h"

enum { MOST_ARRAYS = 8 };

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

/* Whether every mask lies within the text; the number of their characters is added up in `total`. */
static int lie_within(const Py_buffer *begin, const Py_buffer *end, const Py_buffer *text, int64_t *total)
{
    const int64_t *first = begin->buf, *last = end->buf;
    *total = 0;
    for (int64_t k = 0; k < length_of(begin); k++) {
        if (first[k] < 0 || last[k] < first[k] || last[k] > length_of(text))
            return 0;
        *total += last[k] - first[k];
    }
    return 1;
}

/* The masks of arguments text, begin, end, escaped (views 0 to 3). */
static Masks masks_of(const Py_buffer *views)
{
    const Masks masks = {views[0].buf, views[1].buf, views[2].buf, length_of(&views[1]),
                         ((const uint8_t *)views[3].buf)[0] != 0};
    return masks;
}

static PyObject *decode_masks(PyObject *self, PyObject *arguments)
{
    static const Wanted wanted[] = {{"text", 1, 'u', 0},       {"begin", 8, 'i', 0},  {"end", 8, 'i', 0},
                                    {"escaped", 1, 'u', 0},    {"pixels", 8, 'i', 0}, {"edges", 4, 'i', 1},
                                    {"first_edge", 8, 'i', 1}, {"areas", 8, 'i', 1}};
    Py_buffer views[MOST_ARRAYS];
    int64_t characters;
    if (take(arguments, wanted, 8, 5, views) < 0)
        return NULL;
    const int64_t count = length_of(&views[1]);
    if (length_of(&views[2]) != count || length_of(&views[4]) != count || length_of(&views[7]) != count ||
        length_of(&views[3]) != 1 || length_of(&views[6]) != count + 1)
        return refuse(views, 8, "begin, end, pixels and areas need a number per mask, first_edge one more");
    if (!lie_within(&views[1], &views[2], &views[0], &characters))
        return refuse(views, 8, "begin and end must lie within the text");
    if (views[5].buf != NULL && length_of(&views[5]) < characters)
        return refuse(views, 8, "edges must have room for a number per character");
    const Masks masks = masks_of(views);
    int64_t unusual;
    Py_BEGIN_ALLOW_THREADS
    unusual = decode_all(&masks, views[4].buf, views[5].buf, views[6].buf, views[7].buf);
    Py_END_ALLOW_THREADS
    release(views, 8);
    return PyBool_FromLong(unusual == 0);
}

static PyObject *tight_boxes(PyObject *self, PyObject *arguments)
{
    static const Wanted wanted[] = {{"text", 1, 'u', 0},    {"begin", 8, 'i', 0},   {"end", 8, 'i', 0},
                                    {"escaped", 1, 'u', 0}, {"heights", 8, 'i', 0}, {"boxes", 8, 'f', 1}};
    Py_buffer views[MOST_ARRAYS];
    int64_t characters;
    if (take(arguments, wanted, 6, -1, views) < 0)
        return NULL;
    const int64_t count = length_of(&views[1]), *heights = views[4].buf;
    if (length_of(&views[2]) != count || length_of(&views[4]) != count || length_of(&views[3]) != 1 ||
        length_of(&views[5]) != 4 * count)
        return refuse(views, 6, "begin, end and heights need a number per mask, boxes four");
    if (!lie_within(&views[1], &views[2], &views[0], &characters))
        return refuse(views, 6, "begin and end must lie within the text");
    for (int64_t k = 0; k < count; k++)
        if (heights[k] <= 0)
            return refuse(views, 6, "heights must be positive");
    const Masks masks = masks_of(views);
    Py_BEGIN_ALLOW_THREADS
    box_all(&masks, heights, views[5].buf);
    Py_END_ALLOW_THREADS
    release(views, 6);
    Py_RETURN_NONE;
}

static PyObject *lift_masks(PyObject *self, PyObject *arguments)
{
    static const Wanted wanted[] = {{"text", 1, 'u', 0},   {"rest", 1, 'u', 1},  {"begin", 8, 'i', 1},
                                    {"end", 8, 'i', 1},    {"height", 8, 'i', 1}, {"width", 8, 'i', 1},
                                    {"entries", 8, 'i', 1}};
    Py_buffer views[MOST_ARRAYS];
    if (take(arguments, wanted, 7, -1, views) < 0)
        return NULL;
    const int64_t room = length_of(&views[2]);
    if (length_of(&views[1]) < length_of(&views[0]))
        return refuse(views, 7, "rest must have room for the text");
    for (int k = 3; k < 6; k++)
        if (length_of(&views[k]) != room)
            return refuse(views, 7, "begin, end, height and width must have the same length");
    Lifted found = {views[2].buf, views[3].buf, views[4].buf, views[5].buf, views[6].buf,
                    0,            0,            0,            room,         length_of(&views[6])};
    int64_t length;
    Py_BEGIN_ALLOW_THREADS
    length = lift_all(views[0].buf, length_of(&views[0]), views[1].buf, &found);
    Py_END_ALLOW_THREADS
    release(views, 7);
    return Py_BuildValue("(LLLL)", (long long)length, (long long)found.masks, (long long)found.listed,
                         (long long)found.lists);
}

static PyObject *shared_pixels(PyObject *self, PyObject *arguments)
{
    static const Wanted wanted[] = {{"first edges", 4, 'i', 0},
                                    {"first_edge of the first", 8, 'i', 0},
                                    {"second edges", 4, 'i', 0},
                                    {"first_edge of the second", 8, 'i', 0},
                                    {"i", 8, 'i', 0},
                                    {"j", 8, 'i', 0},
                                    {"shared", 8, 'f', 1}};
    Py_buffer views[MOST_ARRAYS];
    if (take(arguments, wanted, 7, -1, views) < 0)
        return NULL;
    const int64_t pairs = length_of(&views[6]);
    for (int side = 0; side < 2; side++) {
        const Py_buffer *edges = &views[2 * side], *first_edge = &views[2 * side + 1], *chosen = &views[4 + side];
        const int64_t masks = length_of(first_edge) - 1, *numbers = chosen->buf;
        if (masks < 0 || !rises(first_edge->buf, masks + 1, length_of(edges)))
            return refuse(views, 7, "first_edge must rise within edges");
        if (length_of(chosen) != pairs)
            return refuse(views, 7, "i, j and shared need one number per pair");
        for (int64_t pair = 0; pair < pairs; pair++)
            if (numbers[pair] < 0 || numbers[pair] >= masks)
                return refuse(views, 7, "i and j must be numbers of masks");
    }
    const Decoded first = {views[0].buf, views[1].buf}, second = {views[2].buf, views[3].buf};
    Py_BEGIN_ALLOW_THREADS
    share_all(&first, &second, views[4].buf, views[5].buf, pairs, views[6].buf);
    Py_END_ALLOW_THREADS
    release(views, 7);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"decode_masks", decode_masks, METH_VARARGS, "Run ends and areas; whether every mask was ordinary."},
    {"tight_boxes", tight_boxes, METH_VARARGS, "Tight boxes of ordinary masks."},
    {"lift_masks", lift_masks, METH_VARARGS, "Where the masks in the text of a JSON file are, and the rest."},
    {"shared_pixels", shared_pixels, METH_VARARGS, "Pixels that pairs of masks have in common."},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_kernels", NULL, 0, functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__kernels(void) { return PyModuleDef_Init(&module); }
