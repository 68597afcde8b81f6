/*
 * fvecs.h
 *	  Vector files: how every program in this folder reads and writes them.
 *
 * A file is a run of rows; a row is an int32 count and then as many elements:
 * four-byte ones (float in .fvecs, int32 in .ivecs) or single bytes (.bvecs).
 * All rows of a file are equally long, so row i is found by arithmetic.  Bytes
 * become floats when they are read.  Little-endian machines only.
 */
#ifndef FVECS_H
#define FVECS_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Rows
{
	const int32_t *words;
	size_t		count;
	int			width;			/* elements in a row */
} Rows;

/* Maps a file; the pages are read as they are touched. */
static inline const void *
map_file(const char *path, size_t *size)
{
	struct stat file;
	int			fd = open(path, O_RDONLY);
	void	   *bytes;

	if (fd < 0 || fstat(fd, &file) != 0 || file.st_size < 4)
	{
		fprintf(stderr, "could not read vectors from \"%s\"\n", path);
		exit(1);
	}
	bytes = mmap(NULL, file.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
	{
		perror(path);
		exit(1);
	}
	close(fd);
	*size = file.st_size;
	return bytes;
}

/* Rows of bytes as rows of floats. */
static inline Rows
widen_rows(const uint8_t *bytes, size_t count, int width)
{
	Rows		rows = {NULL, count, width};
	size_t		stride = (size_t) width + 1;
	int32_t    *words = (int32_t *) malloc(4 * count * stride);

	if (words == NULL)
	{
		perror("reading vectors");
		exit(1);
	}
	for (size_t i = 0; i < count; i++)
	{
		const uint8_t *from = bytes + i * (4 + (size_t) width) + 4;

		words[i * stride] = width;
		for (int j = 0; j < width; j++)
		{
			float		element = from[j];

			memcpy(&words[i * stride + 1 + j], &element, 4);
		}
	}
	rows.words = words;
	return rows;
}

static inline Rows
map_rows(const char *path)
{
	Rows		rows;
	const char *ending = strrchr(path, '.');
	int			bytes = ending != NULL && strcmp(ending, ".bvecs") == 0;
	size_t		size;
	size_t		row_size;

	rows.words = (const int32_t *) map_file(path, &size);
	rows.width = rows.words[0];
	row_size = 4 + (bytes ? 1 : 4) * (size_t) rows.width;
	if (rows.width < 1 || size % row_size != 0)
	{
		fprintf(stderr, "\"%s\" is not a file of equal rows\n", path);
		exit(1);
	}
	rows.count = size / row_size;
	return bytes ? widen_rows((const uint8_t *) rows.words, rows.count,
							  rows.width) : rows;
}

/* A file of a data set: NAME.fvecs, or else NAME.bvecs. */
static inline Rows
map_vectors(const char *folder, const char *name)
{
	char		path[4096];

	snprintf(path, sizeof(path), "%s/%s.fvecs", folder, name);
	if (access(path, R_OK) != 0)
		snprintf(path, sizeof(path), "%s/%s.bvecs", folder, name);
	return map_rows(path);
}

static inline Rows
map_truth(const char *folder)
{
	char		path[4096];

	snprintf(path, sizeof(path), "%s/truth.ivecs", folder);
	return map_rows(path);
}

static inline const float *
float_row(Rows rows, size_t i)
{
	return (const float *) (rows.words + i * (rows.width + 1) + 1);
}

static inline const int32_t *
int_row(Rows rows, size_t i)
{
	return rows.words + i * (rows.width + 1) + 1;
}

static inline void
write_row(FILE *out, const void *elements, int32_t width)
{
	if (fwrite(&width, 4, 1, out) != 1 ||
		fwrite(elements, 4, width, out) != (size_t) width)
	{
		perror("writing vectors");
		exit(1);
	}
}

/*
 * Distances as the benchmark counts them: 'l' is squared L2, 'i' negative
 * inner product, 'c' cosine distance.  Sums in double, so that equal rows are
 * equally far however the rest is compiled.
 */
static inline double
true_distance(char metric, const float *a, const float *b, int width)
{
	double		dot = 0,
				aa = 0,
				bb = 0,
				squares = 0;

	if (metric == 'l')
	{
		for (int i = 0; i < width; i++)
		{
			double		difference = (double) a[i] - b[i];

			squares += difference * difference;
		}
		return squares;
	}
	for (int i = 0; i < width; i++)
	{
		dot += (double) a[i] * b[i];
		aa += (double) a[i] * a[i];
		bb += (double) b[i] * b[i];
	}
	if (metric == 'i')
		return -dot;
	return (aa > 0 && bb > 0) ? 1 - dot / __builtin_sqrt(aa * bb) : 2;
}

#endif							/* FVECS_H */
