-- What both the latest sweep and the one before it have.
-- like: vulnerabilities
SELECT v.* FROM vulnerabilities v JOIN {_changes} c ON v.first_seen <= c.since
