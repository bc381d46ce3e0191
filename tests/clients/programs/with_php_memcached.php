<?php
/**
 * The conversation with PHP's extension memcached, which is libmemcached (text or binary protocol), with ketama over
 * several servers; it serializes what is no text, and compresses.
 */

declare(strict_types=1);
require __DIR__ . '/conversation.php';

$client = new Memcached();
$client->setOptions([
    Memcached::OPT_BINARY_PROTOCOL => $protocol === 'binary',
    Memcached::OPT_LIBKETAMA_COMPATIBLE => true,
    Memcached::OPT_TCP_NODELAY => true,
    Memcached::OPT_COMPRESSION => false,
]);
if ($user !== '') $client->setSaslAuthData($user, $password);
$client->addServers(array_map(fn($server) => [$server[0], (int) $server[1]], $servers));

if ($prefix === 'flush') {
    ok('flush', $client->flush());
    exit(0);
}

ok('set', $client->set(key_of('text'), TEXT));
ok('get', $client->get(key_of('text')), TEXT);
ok('miss', [$client->get(key_of('missing')), $client->getResultCode()], [false, Memcached::RES_NOTFOUND]);
ok('binary', [$client->set(key_of('binary'), BINARY), $client->get(key_of('binary'))], [true, BINARY]);
ok('large', [$client->set(key_of('large'), LARGE), $client->get(key_of('large')) === LARGE], [true, true]);
ok('empty', [$client->set(key_of('empty'), ''), $client->get(key_of('empty'))], [true, '']);
$packed = ['list' => [1, 2.5, null]];
ok('packed', [$client->set(key_of('packed'), $packed), $client->get(key_of('packed'))], [true, $packed]);
$client->setOption(Memcached::OPT_COMPRESSION, true);
ok('compressed', [$client->set(key_of('compressed'), LARGE), $client->get(key_of('compressed')) === LARGE], [true, true]);
$client->setOption(Memcached::OPT_COMPRESSION, false);
$client->setOption(Memcached::OPT_SERIALIZER, Memcached::SERIALIZER_JSON_ARRAY);
ok('json', [$client->set(key_of('json'), $packed), $client->get(key_of('json'))], [true, $packed]);
ok('add', [$client->add(key_of('added'), '1'), $client->add(key_of('added'), '2')], [true, false]);
ok('replace', [$client->replace(key_of('added'), '3'), $client->replace(key_of('missing'), '3')], [true, false]);
ok('append', [$client->set(key_of('joined'), 'middle'), $client->append(key_of('joined'), '>')], [true, true]);
ok('append miss', [$client->append(key_of('missing'), '>'), $client->getResultCode()], [false, Memcached::RES_NOTSTORED]);
ok('prepend', $client->prepend(key_of('joined'), '<'));

$client->set(key_of('swapped'), 'first');
['value' => $value, 'cas' => $cas] = $client->get(key_of('swapped'), null, Memcached::GET_EXTENDED);
ok('gets', $value, 'first');
ok('cas', [$client->cas($cas, key_of('swapped'), 'second'), $client->cas($cas, key_of('swapped'), 'third')], [true, false]);
ok('cas told', $client->getResultCode(), Memcached::RES_DATA_EXISTS);

$client->set(key_of('counter'), 40);
ok('incr', [$client->increment(key_of('counter'), 5), $client->increment(key_of('missing'), 5)], [45, false]);
ok('decr', [$client->decrement(key_of('counter'), 3), $client->decrement(key_of('missing'), 3)], [42, false]);
if ($protocol === 'binary') ok('incr with a beginning', $client->increment(key_of('begun'), 5, 7, LIFETIME), 7);
ok('incr of a text', $client->increment(key_of('text'), 1), false);

ok('touch', [$client->set(key_of('lasting'), 'x'), $client->touch(key_of('lasting'), LIFETIME)], [true, true]);
ok('touch miss', [$client->touch(key_of('missing'), 1), $client->getResultCode()], [false, Memcached::RES_NOTFOUND]);
ok('exptime', $client->set(key_of('fading'), 'x', LIFETIME));
ok('expired', [$client->set(key_of('expired'), 'x', PAST), $client->get(key_of('expired'))], [true, false]);
ok('delete', [$client->set(key_of('removed'), 'x'), $client->delete(key_of('removed'))], [true, true]);
ok('delete miss', [$client->delete(key_of('removed')), $client->getResultCode()], [false, Memcached::RES_NOTFOUND]);

ok('set many', $client->setMulti($many));
ok('get many', $client->getMulti([...array_keys($many), key_of('missing')], Memcached::GET_PRESERVE_ORDER), [
    ...$many,
    key_of('missing') => null,
]);
ok('get delayed', $client->getDelayed([key_of('many-1'), key_of('many-2')]));
$delayed = array_column($client->fetchAll(), 'value', 'key');
ksort($delayed);
ok('fetched', $delayed, [key_of('many-1') => '1', key_of('many-2') => '2']);
// Only the text protocol can list keys. Every node lists those of the whole cluster.
if ($protocol === 'text') ok('all keys', array_diff(array_keys($many), $client->getAllKeys()), []);
$gone = array_map(fn($number) => key_of("gone-$number"), range(0, 99));
$client->setMulti(array_fill_keys($gone, 'x'));
ok('delete many', [count(array_filter($client->deleteMulti($gone))), $client->getMulti($gone)], [100, []]);

$client->setOption(Memcached::OPT_NOREPLY, true);
for ($number = 0; $number < 100; $number++) $client->set(key_of("quiet-$number"), "$number");
$client->setOption(Memcached::OPT_NOREPLY, false);
ok('noreply', $client->get(key_of('quiet-42')), '42');

ok('too large', [$client->set(key_of('too-large'), TOO_LARGE), $client->get(key_of('too-large'))], [false, false]);
ok('after an error', $client->get(key_of('text')), TEXT);
ok('version', count(preg_grep('/^\d+\.\d+\.\d+$/', $client->getVersion())), count($servers));
ok('stats', count($client->getStats()), count($servers));
