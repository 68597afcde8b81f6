// What the clients in JavaScript have in common.
import assert from 'node:assert/strict';

// One line for each check, in the words that test/run reads.
export async function check(name, body) {
	try {
		await body();
		console.log(`ok ${name}`);
	} catch (error) {
		const reason = String(error.stack).split('\n')
			.map((line) => line.trim()).join(' | ');

		console.log(`not ok ${name}: ${reason}`);
		process.exitCode = 1;
	}
}

// `query` runs a statement and returns its rows.  The statement takes its order
// from that index, and gives the rows that a sort of the table gives.
export async function answersByIndex(query, index, statement, values) {
	await query('SET enable_seqscan = off');
	const plan = JSON.stringify(await query(`EXPLAIN ${statement}`, values));
	const found = await query(statement, values);

	await query('RESET enable_seqscan');
	await query('SET enable_indexscan = off');
	const expected = await query(statement, values);

	await query('RESET enable_indexscan');
	assert.match(plan, new RegExp(`Index Scan using ${index} .*Order By:`));
	assert.ok(found.length > 0, 'no row was found');
	assert.deepEqual(found, expected);
}
