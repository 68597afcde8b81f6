// drizzle-orm on node-postgres: its own columns, its own distances, and its kit,
// which makes tables and indexes and then looks for what differs.
import assert from 'node:assert/strict';
import { asc, eq, getTableColumns, sql } from 'drizzle-orm';
import { cosineDistance, hammingDistance, innerProduct, jaccardDistance,
	l1Distance, l2Distance } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { bit, halfvec, index, pgTable, serial, sparsevec, vector }
	from 'drizzle-orm/pg-core';
import { pushSchema } from 'drizzle-kit/api';
import pg from 'pg';
import { answersByIndex, check } from './checks.mjs';

const items = pgTable('items', {
	id: serial('id').primaryKey(),
	embedding: vector('embedding', { dimensions: 3 }),
	half: halfvec('half', { dimensions: 3 }),
	sparse: sparsevec('sparse', { dimensions: 3 }),
	bits: bit('bits', { dimensions: 3 })
}, (table) => [
	index('by_l2').using('vego_hnsw', table.embedding.op('vector_l2_ops'))
		.with({ m: '12', ef_construction: '40' }),
	index('by_cosine').using('vego_hnsw', table.half.op('halfvec_cosine_ops')),
	index('by_ip').using('vego_hnsw', table.sparse.op('sparsevec_ip_ops')),
	index('by_hamming').using('vego_hnsw', table.bits.op('bit_hamming_ops'))
]);

const client = new pg.Client();

await client.connect();

const db = drizzle(client);

async function query(text, values) {
	return (await client.query(text, values)).rows;
}

// A search in the words of the ORM, as the statement it makes.
async function searchByIndex(name, distance, limit = 5) {
	const { sql: text, params } = db.select({ distance }).from(items)
		.orderBy(distance).limit(limit).toSQL();

	await answersByIndex(query, name, text, params);
}

await check('table and indexes', async () => {
	await db.execute(sql`CREATE EXTENSION IF NOT EXISTS vego`);
	const { apply } = await pushSchema({ items }, db);

	await apply();
	assert.deepEqual(
		await query(`SELECT attname, format_type(atttypid, atttypmod) AS type
			FROM pg_attribute WHERE attrelid = 'items'::regclass AND attnum > 1
			ORDER BY attnum`),
		[{ attname: 'embedding', type: 'vector(3)' },
			{ attname: 'half', type: 'halfvec(3)' },
			{ attname: 'sparse', type: 'sparsevec(3)' },
			{ attname: 'bits', type: 'bit(3)' }]);
	assert.deepEqual(
		(await query(`SELECT indexdef FROM pg_indexes
			WHERE tablename = 'items' AND indexname ~ '^by_' ORDER BY indexname`))
			.map(({ indexdef }) => indexdef.replace(/^.* ON /, '')),
		['public.items USING vego_hnsw (half halfvec_cosine_ops)',
			'public.items USING vego_hnsw (bits)',
			'public.items USING vego_hnsw (sparse sparsevec_ip_ops)',
			"public.items USING vego_hnsw (embedding) WITH (m='12', ef_construction='40')"]);
});

await check('nothing differs', async () => {
	const { statementsToExecute } = await pushSchema({ items }, db);

	assert.deepEqual(statementsToExecute, []);
});

await check('insert, select, update', async () => {
	const row = { embedding: [1, 2.5, -3], half: [0.5, 1, 2],
		sparse: '{1:1,3:2}/3', bits: '101' };
	const [{ id }] = await db.insert(items).values([row, {}]).returning();

	assert.deepEqual(await db.select().from(items).orderBy(asc(items.id)),
		[{ id, ...row },
			{ id: id + 1, embedding: null, half: null, sparse: null, bits: null }]);
	await db.update(items).set({ embedding: [4, 5, 6] }).where(eq(items.id, id));
	assert.deepEqual(
		await db.select({ embedding: items.embedding }).from(items)
			.where(eq(items.id, id)),
		[{ embedding: [4, 5, 6] }]);
	await db.delete(items);
});

await check('nearest neighbours', async () => {
	await db.insert(items).values(Array.from({ length: 400 }, (_, i) => {
		const v = [Math.sin(i + 1), Math.cos(3 * i), Math.sin(7 * i + 1)];

		return { embedding: v, half: v,
			sparse: `{1:${v[0]},3:${v[2]}}/3`,
			bits: (i % 8).toString(2).padStart(3, '0') };
	}));
	await searchByIndex('by_l2', l2Distance(items.embedding, [0.5, 0.1, 0.2]));
	await searchByIndex('by_cosine', cosineDistance(items.half, [0.5, 0.1, 0.2]));
	await searchByIndex('by_ip', innerProduct(items.sparse, '{1:0.5,2:1}/3'));
	await searchByIndex('by_hamming', hammingDistance(items.bits, '110'), 100);
	// without an index
	for (const distance of [l1Distance(items.embedding, [0.5, 0.1, 0.2]),
		jaccardDistance(items.bits, '110')]) {
		const found = await db.select({ distance: sql`${distance}` }).from(items)
			.orderBy(distance).limit(5);

		assert.equal(found.length, 5);
	}
});

await check('nearest to a row of a subquery', async () => {
	const origin = db.select({ embedding: items.embedding }).from(items).limit(1);
	const [nearest] = await db.select(getTableColumns(items)).from(items)
		.orderBy(l2Distance(items.embedding, origin)).limit(1);

	assert.deepEqual(nearest.embedding, (await origin)[0].embedding);
});

await client.end();
