#!/usr/bin/python3
"""Make real text vectors from WordNet as Debian packages it.

  text.py FOLDER [--dimensions 768] [--sparse FOLDER]

One text for each set of synonyms: its words and its gloss.  TF-IDF (sublinear,
English stop words left out, terms of three texts at least), a truncated
singular value decomposition, columns divided by the root of their deviation,
unit length.  That is latent semantic analysis with its spectrum flattened as
learned embeddings have it: hard data, on which recall rises slowly.

Writes base.fvecs and query.fvecs, to be compared by cosine.  --dimensions 1536
makes the wide set: the same texts, twice the columns.  Needs python3-sklearn
and wordnet-base; downloads nothing.

--sparse keeps the TF-IDF vectors themselves in a folder of their own:
base.tsv and query.tsv with a row "number<TAB>{index:value,...}/dimensions"
each, indexes from 1, as COPY reads them, and truth.ivecs by cosine.
"""

import argparse
import os
import re
import sys

import numpy
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

import fvecs

WORDNET = "/usr/share/wordnet"
PARTS = ["noun", "verb", "adj", "adv"]
TRUTH_WIDTH = 100


def synset_text(line):
    """The words of a synset and its gloss, of one line of a data file."""
    fields, gloss = line.split(" | ", 1)
    fields = fields.split(" ")
    count = int(fields[3], 16)
    words = fields[4:4 + 2 * count:2]
    words = [re.sub(r"\([a-z]+\)$", "", word) for word in words]
    return " ".join(words).replace("_", " ") + " " + gloss.strip()


def texts():
    found = []
    for part in PARTS:
        path = os.path.join(WORDNET, "data." + part)
        if not os.path.exists(path):
            sys.exit("text.py: package wordnet-base is not installed")
        with open(path, encoding="latin-1") as lines:
            found += [synset_text(line) for line in lines
                      if not line.startswith("  ")]
    return found


def unit(rows):
    return rows / numpy.linalg.norm(rows, axis=1, keepdims=True)


def dense(sparse, dimensions, seed):
    """Flattened singular vectors of unit length."""
    svd = TruncatedSVD(dimensions, random_state=seed)
    rows = svd.fit_transform(sparse)
    return unit(rows / numpy.sqrt(rows.std(axis=0))).astype(numpy.float32)


def write_sparse(path, rows):
    rows.sort_indices()
    with open(path, "w") as out:
        for i in range(rows.shape[0]):
            at = slice(rows.indptr[i], rows.indptr[i + 1])
            elements = ",".join(
                f"{index + 1}:{value:.9g}" for index, value
                in zip(rows.indices[at], rows.data[at]))
            out.write(f"{i}\t{{{elements}}}/{rows.shape[1]}\n")
    print(f"{path}: {rows.shape[0]} x {rows.shape[1]}, "
          f"{rows.nnz / rows.shape[0]:.1f} elements a row")


def write_sparse_truth(path, base, query):
    """Rows are of unit length, so the product orders as cosine does."""
    nearest = []
    for start in range(0, query.shape[0], 100):
        product = (query[start:start + 100] @ base.T).toarray()
        nearest.append(numpy.argsort(-product, axis=1, kind="stable")
                       [:, :TRUTH_WIDTH])
    fvecs.write(path, numpy.concatenate(nearest), "<i4")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--dimensions", type=int, default=768)
    parser.add_argument("--max", type=int, help="most base vectors to write")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--sparse", metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=3,
                                 stop_words="english", dtype=numpy.float32)
    sparse = vectorizer.fit_transform(texts())
    sparse = sparse[numpy.diff(sparse.indptr) > 0]
    sparse = sparse[numpy.random.RandomState(options.seed).
                    permutation(sparse.shape[0])]
    first_query = sparse.shape[0] - options.queries
    print(f"{sparse.shape[0]} texts, {sparse.shape[1]} terms",
          file=sys.stderr)

    last = min(first_query, options.max or first_query)
    if options.sparse:
        os.makedirs(options.sparse, exist_ok=True)
        base, query = sparse[:last], sparse[first_query:]
        write_sparse(os.path.join(options.sparse, "base.tsv"), base)
        write_sparse(os.path.join(options.sparse, "query.tsv"), query)
        write_sparse_truth(os.path.join(options.sparse, "truth.ivecs"),
                           base, query)
    rows = dense(sparse, options.dimensions, options.seed)
    fvecs.write(os.path.join(options.folder, "base.fvecs"), rows[:last])
    fvecs.write(os.path.join(options.folder, "query.fvecs"),
                rows[first_query:])
    fvecs.write_metric(options.folder, "cosine")


if __name__ == "__main__":
    main()
