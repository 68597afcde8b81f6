/*
 * fvecs.h
 *	  Vector files: how every program in this folder reads and writes them.
 *
 * A file is a run of rows; a row is an int32 count and then as many four-byte
 * elements (float in .fvecs, int32 in .ivecs).  All rows of a file are equally
 * long, so row i is found by arithmetic.  Little-endian machines only.
 */
#ifndef FVECS_H
#define FVECS_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
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
static inline Rows
map_rows(const char *path)
{
	Rows		rows;
	struct stat file;
	int			fd = open(path, O_RDONLY);
	void	   *words;

	if (fd < 0 || fstat(fd, &file) != 0 || file.st_size < 4)
	{
		fprintf(stderr, "could not read vectors from \"%s\"\n", path);
		exit(1);
	}
	words = mmap(NULL, file.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (words == MAP_FAILED)
	{
		perror(path);
		exit(1);
	}
	close(fd);
	rows.words = (const int32_t *) words;
	rows.width = rows.words[0];
	if (rows.width < 1 || file.st_size % (4 * ((off_t) rows.width + 1)) != 0)
	{
		fprintf(stderr, "\"%s\" is not a file of equal rows\n", path);
		exit(1);
	}
	rows.count = file.st_size / (4 * ((size_t) rows.width + 1));
	return rows;
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
