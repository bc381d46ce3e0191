<?php
/**
 * The conversation with PHP's extension memcache, with consistent hashing over several servers; it serializes what is no
 * text, and compresses. Text protocol: its binary protocol fails with memcached too.
 */

declare(strict_types=1);
ini_set('memcache.hash_strategy', 'consistent');
require __DIR__ . '/conversation.php';

$client = new MemcachePool();
foreach ($servers as [$host, $port]) $client->addServer($host, (int) $port, 0, true, 1, 20);

if ($prefix === 'flush') {
    ok('flush', $client->flush());
    exit(0);
}

ok('set', $client->set(key_of('text'), TEXT));
ok('get', $client->get(key_of('text')), TEXT);
ok('miss', $client->get(key_of('missing')), false);
ok('binary', [$client->set(key_of('binary'), BINARY), $client->get(key_of('binary'))], [true, BINARY]);
ok('large', [$client->set(key_of('large'), LARGE), $client->get(key_of('large')) === LARGE], [true, true]);
ok('empty', [$client->set(key_of('empty'), ''), $client->get(key_of('empty'))], [true, '']);
$packed = ['list' => [1, 2.5, null]];
ok('packed', [$client->set(key_of('packed'), $packed), $client->get(key_of('packed'))], [true, $packed]);
$client->set(key_of('compressed'), LARGE, MEMCACHE_COMPRESSED);
ok('compressed', $client->get(key_of('compressed')) === LARGE);
ok('add', [$client->add(key_of('added'), '1'), $client->add(key_of('added'), '2')], [true, false]);
ok('replace', [$client->replace(key_of('added'), '3'), $client->replace(key_of('missing'), '3')], [true, false]);
ok('append', [$client->set(key_of('joined'), 'middle'), $client->append(key_of('joined'), '>')], [true, true]);
ok('prepend', $client->prepend(key_of('joined'), '<'));

$client->set(key_of('swapped'), 'first');
ok('gets', $client->get(key_of('swapped'), $flags, $cas), 'first');
ok('cas', [
    $client->cas(key_of('swapped'), 'second', 0, 0, $cas),
    $client->cas(key_of('swapped'), 'third', 0, 0, $cas),
], [true, false]);

$client->set(key_of('counter'), '40');
ok('incr', [$client->increment(key_of('counter'), 5), $client->increment(key_of('missing'), 5)], [45, false]);
ok('decr', [$client->decrement(key_of('counter'), 3), $client->decrement(key_of('missing'), 3)], [42, false]);

ok('exptime', $client->set(key_of('fading'), 'x', 0, LIFETIME));
ok('expired', [$client->set(key_of('expired'), 'x', 0, PAST), $client->get(key_of('expired'))], [true, false]);
ok('delete', [$client->set(key_of('removed'), 'x'), $client->delete(key_of('removed')), $client->delete(key_of('removed'))], [
    true,
    true,
    false,
]);

foreach ($many as $key => $value) $client->set($key, $value);
$found = $client->get([...array_keys($many), key_of('missing')]);
ksort($found);
ksort($many);
ok('get many', $found, $many);
ok('after all', $client->get(key_of('text')), TEXT);
ok('version', preg_match('/^\d+\.\d+\.\d+$/', $client->getVersion()), 1);
ok('stats', count($client->getExtendedStats()), count($servers));
