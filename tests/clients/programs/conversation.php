<?php
/**
 * What the PHP programs share: `PROGRAM SERVERS PREFIX PROTOCOL USER PASSWORD`, the values to be stored, and `ok NAME` for
 * each thing that went as it should. The first thing that does not ends the program with a message. With the prefix
 * `flush` only that is done.
 */

declare(strict_types=1);

$servers = array_map(fn($server) => explode(':', $server), explode(',', $argv[1]));
$prefix = $argv[2];
$protocol = $argv[3];
[$user, $password] = array_slice($argv, 4);

const TEXT = "wörld\r\nEND\r\n";
const LIFETIME = 1000;
// More than 30 days count as a moment: this one is in February 1970.
const PAST = 60 * 60 * 24 * 31;
define('BINARY', str_repeat(implode('', array_map('chr', range(0, 255))), 4));
define('LARGE', str_repeat('0123456789abcdef', 3 << 15));
define('TOO_LARGE', str_repeat('x', 3 << 20));

$many = [];
for ($number = 0; $number < 1000; $number++) $many[key_of("many-$number")] = "$number";

function key_of(string $name): string
{
    global $prefix;
    return "$prefix:$name";
}

function ok(string $name, mixed $found, mixed $wanted = true): void
{
    if ($found !== $wanted) {
        [$expected, $instead] = array_map(fn($value) => substr(serialize($value), 0, 200), [$wanted, $found]);
        fwrite(STDERR, "$name: expected $expected, found $instead\n");
        exit(1);
    }
    echo "ok $name\n";
}
