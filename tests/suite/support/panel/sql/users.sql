-- Read once, when the template of the data folder is made. Anonymous users and a root without password are not on a Plesk
-- host: who gets in without `admin` and its password would get in by an accident of this machine.
DELETE FROM mysql.global_priv WHERE User <> 'mariadb.sys';
FLUSH PRIVILEGES;
-- The test, and another administrator.
CREATE USER fixture@localhost IDENTIFIED BY 'fixture';
GRANT ALL ON *.* TO fixture@localhost WITH GRANT OPTION;
-- The stand-ins of the vendor's programs, so that what they ask is told apart from what `admin` asks.
CREATE USER vendor@localhost IDENTIFIED BY 'vendor';
GRANT ALL ON *.* TO vendor@localhost;
