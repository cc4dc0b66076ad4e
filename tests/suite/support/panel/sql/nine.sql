-- Plesk 7.5 to 9: whether a mail account may log in is a row of `Permissions` (dump of an 8/9 database).
CREATE TABLE mail (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  mail_name VARCHAR(245) CHARACTER SET ascii NOT NULL,
  perm_id INT UNSIGNED NOT NULL DEFAULT 0,
  postbox ENUM('false', 'true') NOT NULL DEFAULT 'false',
  account_id INT UNSIGNED NOT NULL DEFAULT 0,
  redirect ENUM('false', 'true') NOT NULL DEFAULT 'false',
  redir_addr VARCHAR(255),
  mail_group ENUM('false', 'true') NOT NULL DEFAULT 'false',
  autoresponder ENUM('false', 'true') NOT NULL DEFAULT 'false',
  spamfilter ENUM('false', 'true') NOT NULL DEFAULT 'false',
  virusfilter ENUM('none', 'incoming', 'outgoing', 'any') NOT NULL DEFAULT 'none',
  mbox_quota BIGINT NOT NULL DEFAULT -1,
  dom_id INT UNSIGNED NOT NULL,
  UNIQUE KEY dom_id (dom_id, mail_name),
  KEY account_id (account_id),
  KEY perm_id (perm_id)
) ENGINE = InnoDB;
