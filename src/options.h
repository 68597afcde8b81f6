/*
 * options.h
 *	  Settings (vego.*) and storage parameters of an index.
 */
#ifndef VEGO_OPTIONS_H
#define VEGO_OPTIONS_H

#include "postgres.h"

#include "utils/rel.h"

#include "page.h"

typedef enum VegoOrder
{
	VEGO_ORDER_STRICT,			/* never a row nearer than one returned */
	VEGO_ORDER_RELAXED			/* such rows come late */
} VegoOrder;

extern int	vego_guc_order;		/* a VegoOrder */
extern bool vego_guc_pinned_reads;

extern void vego_options_init(void);

/* The index's own ef_search, else the session's. */
extern int	vego_options_ef_search(Relation index);

/* As given, or 0 for automatic. */
extern int	vego_options_m(Relation index);
extern int	vego_options_ef_construction(Relation index);
extern int	vego_options_bits(Relation index);

extern VegoExactMode vego_options_exact(Relation index);

extern const char *vego_exact_mode_name(VegoExactMode mode);

/* The mode of that name; false where there is none. */
extern bool vego_exact_mode(const char *name, VegoExactMode *mode);

extern bytea *vegooptions(Datum reloptions, bool validate);

#endif							/* VEGO_OPTIONS_H */
