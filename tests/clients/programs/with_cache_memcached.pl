# The conversation with Perl's Cache::Memcached (text protocol), which freezes what is no text and compresses.

use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Cache::Memcached;
use Conversation;

my $client = Cache::Memcached->new({ servers => \@servers, enable_compress => 1, compress_threshold => 0 });

if ($prefix eq 'flush') {
    ok('flush', $client->flush_all);
    exit 0;
}

ok('set', $client->set(key('text'), $TEXT));
ok('get', $client->get(key('text')), $TEXT);
ok('miss', $client->get(key('missing')), 'undef');
ok('binary', [$client->set(key('binary'), $BINARY), $client->get(key('binary'))], [1, $BINARY]);
ok('large', [$client->set(key('large'), $LARGE), $client->get(key('large')) eq $LARGE], [1, 1]);
ok('empty', [$client->set(key('empty'), ''), $client->get(key('empty'))], [1, '']);
ok('packed', [$client->set(key('packed'), { list => [1, 2.5] }), $client->get(key('packed'))], [1, { list => [1, 2.5] }]);
$client->set_compress_threshold(1000);
ok('compressed', [$client->set(key('compressed'), $LARGE), $client->get(key('compressed')) eq $LARGE], [1, 1]);
$client->set_compress_threshold(0);
ok('add', [$client->add(key('added'), '1'), $client->add(key('added'), '2')], [1, '']);
ok('replace', [$client->replace(key('added'), '3'), $client->replace(key('missing'), '3')], [1, '']);
ok('append', [$client->set(key('joined'), 'middle'), $client->append(key('joined'), '>')], [1, 1]);
ok('prepend', $client->prepend(key('joined'), '<'));

$client->set(key('counter'), '40');
ok('incr', [$client->incr(key('counter'), 5), $client->incr(key('missing'), 5)], [45, 'undef']);
ok('decr', [$client->decr(key('counter'), 3), $client->decr(key('missing'), 3)], [42, 'undef']);

ok('exptime', $client->set(key('fading'), 'x', $LIFETIME));
ok('expired', [$client->set(key('expired'), 'x', $PAST), $client->get(key('expired'))], [1, 'undef']);
ok('delete', [$client->set(key('removed'), 'x'), $client->delete(key('removed')), $client->delete(key('removed'))], [1, 1, '']);

my %many = many();
$client->set($_, $many{$_}) for keys %many;
ok('get many', $client->get_multi(keys %many, key('missing')), \%many);
ok('too large', $client->set(key('too-large'), $TOO_LARGE), '');
ok('after an error', $client->get(key('text')), $TEXT);
my $stats = $client->stats('misc');
ok('stats', scalar(keys %{ $stats->{hosts} }), scalar @servers);
